"""The columns of a recipient, which several models share."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.countries import name_of

FIELDS = (
    "recipient_name",
    "recipient_email",
    "recipient_phone",
    "address_line1",
    "address_line2",
    "city",
    "region",
    "postcode",
    "country",
)


class Recipient(models.Model):
    """A recipient. Fields that are not needed are blank, such as the street for an e-mailed
    code.
    """

    recipient_name = models.CharField(_("name"), max_length=255)
    recipient_email = models.EmailField(_("e-mail"), blank=True)
    recipient_phone = models.CharField(_("phone"), max_length=32, blank=True)
    address_line1 = models.CharField(_("address"), max_length=255, blank=True)
    address_line2 = models.CharField(_("address, second line"), max_length=255, blank=True)
    city = models.CharField(_("city"), max_length=120, blank=True)
    region = models.CharField(_("state or region"), max_length=120, blank=True)
    postcode = models.CharField(_("postcode"), max_length=20, blank=True)
    country = models.CharField(_("country"), max_length=80, blank=True)

    class Meta:
        abstract = True

    def recipient(self) -> dict[str, Any]:
        """The recipient's columns by name, for copying to another row."""
        return {name: getattr(self, name) for name in FIELDS}

    def address_lines(self) -> list[str]:
        """The lines of the address as written on a parcel."""
        town = " ".join(part for part in (self.postcode, self.city) if part)
        country = name_of(self.country)
        lines = (self.address_line1, self.address_line2, town, self.region, country)
        return [line for line in lines if line]
