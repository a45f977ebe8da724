"""The address books of companies: their pages, and their rows on a company's page."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.widgets import SELECT_CLASSES

from accounts.backoffice.finding import company_keys
from accounts.models import Address, Company
from loyalty_portal.admin_site.base import Choosing, PortalAdmin, StackedInline
from loyalty_portal.admin_site.found import Branch, newest_of, with_words
from loyalty_portal.data.countries import CountryField, CountrySelect, name_of


def _country(column: Any) -> CountryField | None:
    """The form field for a `country` column: a list of countries that keeps an unknown old value.

    Returns None for any other column.
    """
    if column.name != "country":
        return None
    widget = CountrySelect(attrs={"class": " ".join(SELECT_CLASSES)})
    return CountryField(
        label=_("Country"), required=False, max_length=80, keeps=True, widget=widget
    )


class AddressInline(Choosing[Address], StackedInline[Address, Company]):
    """The address book of a company."""

    model = Address
    extra = 0
    tab = True
    fields = [
        ("recipient_name", "recipient_email", "recipient_phone"),
        ("address_line1", "address_line2"),
        ("country", "postcode"),
        ("city", "region"),
    ]

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return _country(db_field) or super().formfield_for_dbfield(db_field, request, **kwargs)


class AddressAdmin(PortalAdmin[Address]):
    """Admin pages of the address books of all companies."""

    list_display = [
        "recipient_name", "company", "address_line1", "postcode", "city", "country_shown",
    ]  # fmt: skip
    list_select_related = ["company"]
    search_fields = ["recipient_name"]
    search_help_text = _("Name, company, city or postcode")
    ordering = ["-id"]
    autocomplete_fields = ["company"]

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return _country(db_field) or super().formfield_for_dbfield(db_field, request, **kwargs)

    def found_by(self, term: str) -> Sequence[Branch]:
        words = with_words(Address.objects.all(), term, "recipient_name", "city", "postcode")
        return [words, *newest_of(Address.objects.all(), "company", company_keys(term))]

    @admin.display(description=_("country"))
    def country_shown(self, address: Address) -> str:
        return name_of(address.country)
