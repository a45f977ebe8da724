"""What jobs did to products, kept as long as it can be undone."""

from django.db import models
from django.db.models.functions import Now

from catalog.models.products import Product
from loyalty_portal.jobs.models import Job


class ProductEdit(models.Model):
    """The columns of one product that a job changed: before and after, as JSON.

    The history (`ProductChange`) has them for good; these rows find a job's changes quickly, and
    are deleted when it cannot be undone any more. A created product counts as switched on.
    """

    job = models.ForeignKey(Job, models.PROTECT, related_name="product_edits")
    product = models.ForeignKey(Product, models.PROTECT, related_name="edits")
    before = models.JSONField()
    after = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "product"], name="product_edited_once_by_a_job"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} {', '.join(self.after)}"
