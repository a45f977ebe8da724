"""The columns of a recipient, which several models share."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.countries import checked_postcode, name_of

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
# What a company sees of an address that the recipient gave.
SEEN_BY_COMPANY = ("recipient_name", "recipient_email", "city")


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

    personal_columns = tuple(name for name in FIELDS if name != "country")

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


def check_recipient(said: Mapping[str, str], *, by_parcel: bool) -> dict[str, str]:
    """The columns of a recipient as somebody gave them, without surrounding spaces.

    Raises ValidationError, with sentences, unless they are enough to send a parcel, or an e-mail.
    """
    told = {name: said.get(name, "").strip() for name in FIELDS}
    needed = ("address_line1", "city", "country") if by_parcel else ("recipient_email",)
    for column in Recipient._meta.fields:
        if column.name in ("recipient_name", *needed) and not told[column.name]:
            raise ValidationError(gettext("Something is missing: %s.") % column.verbose_name)
        column.run_validators(told[column.name])
    if by_parcel:
        told["postcode"] = checked_postcode(told["country"], told["postcode"])
    return told


def city_only(recipient: Mapping[str, str]) -> dict[str, str]:
    """The columns of a recipient as their company sees them: of the address the city alone."""
    return {name: recipient[name] if name in SEEN_BY_COMPANY else "" for name in FIELDS}


def parcel_key(label: str, recipient: Mapping[str, str]) -> str:
    """A digest of an order and all columns of a recipient: what is sent together has the same."""
    parts = (label, *(recipient.get(name, "") for name in FIELDS))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
