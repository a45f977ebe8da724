"""The rows of a file that is to be imported, as they were read."""

from django.db import models
from django.db.models import Q

from loyalty_portal.jobs.models import Job


class ImportRow(models.Model):
    """A row of a file: what it says about a product, or what is wrong with it.

    The job that reads the file writes them, and the job that imports works through them, so no
    process holds a file in memory. They are deleted with the job's files.
    """

    job = models.ForeignKey(Job, models.PROTECT, related_name="import_rows")
    row = models.PositiveIntegerField(help_text="The row of the spreadsheet.")
    key = models.CharField(max_length=100, help_text="The SKU in capitals; empty of a wrong row.")
    source = models.CharField(max_length=300, blank=True)
    several = models.BooleanField(default=False, help_text="The product is one of a family.")
    data = models.JSONField(null=True, help_text="The columns, and the stock.")
    field = models.CharField(max_length=60, blank=True)
    trouble = models.TextField(blank=True)
    foreseen = models.CharField(
        max_length=7, null=True, help_text="`new` or `changed`; empty of rows that change nothing."
    )
    differences = models.JSONField(null=True, help_text="In words, of a product that changes.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["job", "key"], condition=~Q(key=""), name="import_row_once_for_each_sku"
            ),
        ]
        indexes = [
            models.Index(fields=["job", "id"], name="import_row_in_order"),
            models.Index(
                fields=["job", "foreseen", "id"],
                name="import_row_foreseen",
                condition=Q(foreseen__isnull=False),
            ),
            models.Index(
                fields=["job", "id"], name="import_row_wrong", condition=Q(data__isnull=True)
            ),
            models.Index(
                fields=["job", "source"], name="import_row_by_source", condition=~Q(source="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.row} {self.key}"
