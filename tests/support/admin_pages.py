"""All pages of the back office that show rows, for what measures them (`make bench-admin`, and the
test of how much each asks of the database).
"""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import Company, PersonLetter, User
from fulfillment.desk.selectors import SHOWN, waiting
from redemption.analytics.reports.registry import REPORTS
from redemption.models import Letter, RecipientAsk, RedemptionOrder

Page = Callable[[Client], Any]

# Pages that are no model's and of which there is one each, by the names of their addresses.
OTHERS = (
    "audit_changes",
    "catalog_product_as_company",
    "catalog_product_export",
    "catalog_product_import",
    "redemption_incident_work",
    "redemption_loyaltytransaction_unclear",
    "redemption_reconciliation_compare",
    "redemption_reports",
)
MOST_CHOICES = 14  # of a filter that are asked for
DEEP = 500  # rows after which a list is tried again


def admin_pages(person: User) -> dict[str, Page]:
    """The home page, all lists and details, the pages of each job, reports, searches, by name: as
    this person sees them.
    """
    request = RequestFactory().get("/admin/")
    request.user = person
    found = {"home": _get(reverse("admin:index"))}
    for model in sorted(admin.site._registry, key=lambda model: model._meta.label):
        found |= dict(_of_model(model, request))
    found |= {name: _get(reverse(f"admin:{name}")) for name in OTHERS}
    found |= dict(_reports())
    for way in ("receive", "count", "adjust"):
        found[f"stock: {way}"] = _at("inventory_stockdocument_write", way)
    found |= dict(_desk())
    return found | dict(_about_rows()) | dict(_searches())


def _of_model(model: Any, request: HttpRequest) -> Iterator[tuple[str, Page]]:
    label, name = model._meta.label, model._meta.label_lower.replace(".", "_")
    listed = reverse(f"admin:{name}_changelist")
    yield f"{label}: list", _get(listed)
    yield from _of_list(label, listed, admin.site._registry[model], request)
    rows: Any = admin.site._registry[model].get_queryset(request)
    ordered = rows.order_by(*(model._meta.ordering or ["pk"]))
    for key in ordered.values_list("pk", flat=True)[DEEP : DEEP + 1]:
        yield f"{label}: deep in the list", _get(f"{listed}?after={key}")
    last = rows.order_by("-pk").values_list("pk", flat=True).first()
    if last is not None:
        yield f"{label}: one", _at(f"{name}_change", last)
        yield (
            f"{label}: its history",
            _get(reverse("admin:audit_changes"), of=label.lower(), key=last),
        )


def _of_list(
    label: str, listed: str, page: Any, request: HttpRequest
) -> Iterator[tuple[str, Page]]:
    """The list with each choice of each filter, sorted by each column, and searched."""
    if not page.has_view_permission(request):
        return
    shown = page.get_changelist_instance(request)
    for spec in shown.filter_specs:
        for choice in list(spec.choices(shown))[:MOST_CHOICES]:
            query = choice.get("query_string", "?")
            if query != "?":
                yield f"{label}: {spec.title}, {choice['display']}", _get(f"{listed}{query}")
    for place, column in enumerate(shown.list_display):
        if column in shown.sortable_by:
            yield f"{label}: by {column}", _get(listed, o=str(place))
            yield f"{label}: by {column}, backwards", _get(listed, o=f"-{place}")
    if page.get_search_fields(request):
        for what, text in _searched().items():
            yield f"{label}: search for {what}", _get(listed, q=text)


def _searched() -> dict[str, str]:
    """What the lists are searched for."""
    company = Company.objects.order_by("pk").values_list("name", flat=True)[0]
    return {
        "a company": company.split()[0],
        "a name": "hana",
        "an address": "ada@",
        "an order": RedemptionOrder.objects.values_list("order_number", flat=True)[0],
    }


def _reports() -> Iterator[tuple[str, Page]]:
    """Each report, over a year, and with each kind of rows."""
    for name, report in REPORTS.items():
        there = reverse("admin:redemption_report", args=[name])
        yield f"report: {name}", _get(there)
        yield f"report: {name}, a year", _get(there, period="last_year")
        for by in report.by:
            yield f"report: {name} by {by}", _get(there, by=by)


def _desk() -> Iterator[tuple[str, Page]]:
    for which in SHOWN:
        yield f"desk: {which}", _get(reverse("admin:fulfillment_desk"), show=which)
    for key in waiting().values_list("pk", flat=True)[:1]:
        yield "desk: a parcel", _at("fulfillment_desk_parcel", key)


def _about_rows() -> Iterator[tuple[str, Page]]:
    """Further pages of a row."""
    for key in Company.objects.values_list("pk", flat=True)[:1]:
        yield "catalogue: as a company sees it", _at("catalog_product_seen_by", key)
    for key in Letter.objects.values_list("pk", flat=True)[:1]:
        yield "letter: preview", _at("redemption_letter_preview", key)
    for key in RecipientAsk.objects.values_list("pk", flat=True)[:1]:
        yield "letter to a recipient: preview", _at("redemption_ask_preview", key)
    for key in PersonLetter.objects.values_list("pk", flat=True)[:1]:
        yield "letter to a person: preview", _at("accounts_personletter_preview", key)


def _searches() -> Iterator[tuple[str, Page]]:
    number = RedemptionOrder.objects.values_list("order_number", flat=True)[0]
    for text in (number, "hana bama", "ada", "kettle"):
        what = "an order number" if text == number else text
        yield f"search: {what}", _post(reverse("admin:search"), q=text)


def _at(name: str, *arguments: object) -> Page:
    return _get(reverse(f"admin:{name}", args=arguments))


def _get(address: str, **query: Any) -> Page:
    return lambda client: client.get(address, query)


def _post(address: str, **form: str) -> Page:
    return lambda client: client.post(address, form)
