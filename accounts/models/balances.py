"""Each company's last known balance."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import Company


class KnownBalance(models.Model):
    """The last balance from the Loyalty Points API, shown while the API does not answer."""

    company = models.OneToOneField(
        Company, models.CASCADE, primary_key=True, related_name="known_balance"
    )
    points = models.PositiveBigIntegerField()
    as_of = models.DateTimeField()
    fetched_at = models.DateTimeField()
    expiring = models.JSONField(default=list, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("known balance")
        verbose_name_plural = _("known balances")

    def __str__(self) -> str:
        return f"{self.company_id}: {self.points}"
