"""The address books of companies."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import Company
from loyalty_portal.data.countries import checked_postcode
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.recipient import Recipient


@tracked(had_rows=True)
class Address(Recipient):
    """One address in a company's address book."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    company = models.ForeignKey(Company, models.CASCADE, related_name="addresses")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("addresses")
        ordering = ["recipient_name", "id"]
        indexes = [
            GinIndex(
                SearchVector("recipient_name", "city", "postcode", config="simple"),
                name="address_words",
            )
        ]

    def clean(self) -> None:
        """Check in forms that the postcode has the country's format. It may be empty."""
        if self.postcode and self.country:
            try:
                self.postcode = checked_postcode(self.country, self.postcode)
            except ValidationError as error:
                raise ValidationError({"postcode": error}) from error

    def __str__(self) -> str:
        return ", ".join([self.recipient_name, *self.address_lines()])
