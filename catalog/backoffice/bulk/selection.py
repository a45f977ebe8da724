"""Which products a job is about: those that were selected, or all that a list's address finds.

What is found is never held in memory. It is read in slices by key, so a row that stops being found
because of its own edit is not met again, and rows made after the question are left out.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, QueryDict

from catalog.models import Product, ProductQuerySet
from loyalty_portal.admin_site.lists import AFTER, BEFORE, PortalList, shortened
from loyalty_portal.data.actor import Person

MOST_SELECTED = 500
PREVIEW = "preview"  # in the address of a bulk edit's preview: what is to change
NOT_FILTERS = ("p", AFTER, BEFORE, "o", "all", "_popup", "_changelist_filters", "ids", PREVIEW)


def read_selection(query: QueryDict) -> dict[str, Any]:
    """The selection that an address names, as a job's parameters.

    `ids` are the selected products; without them it is all that the filters find now.
    """
    if "ids" in query:
        ids = str(query["ids"]).split(",")[:MOST_SELECTED]
        return {"ids": [str(key) for key in map(_key, ids) if key]}
    asked = query.copy()
    for name in NOT_FILTERS:
        asked.pop(name, None)
    if asked.get("q"):
        asked["q"] = shortened(str(asked["q"]))
    newest = Product.objects.order_by("-pk").values_list("pk", flat=True).first()
    return {"found": asked.urlencode(), "until": str(newest or "")}


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def products_of(selection: Mapping[str, Any], person: Person | None) -> ProductQuerySet:
    """The selected products, unordered. `person` is whose list it is."""
    if "ids" in selection:
        return Product.objects.filter(pk__in=selection["ids"])
    if not selection["until"]:
        return Product.objects.none()
    request = HttpRequest()
    request.method, request.GET = "GET", QueryDict(selection["found"])
    request.user = person  # type: ignore[assignment]
    found: Any = _filters(request).get_queryset(request)
    rows: ProductQuerySet = found.filter(pk__lte=selection["until"]).order_by()
    return rows


class _Uncounted(PortalList):
    """The list's filters and search, without counting and reading a page of it."""

    def get_results(self, request: HttpRequest) -> None:
        pass


def _filters(request: HttpRequest) -> PortalList:
    page: Any = admin.site.get_model_admin(Product)
    return _Uncounted(
        request,
        Product,
        page.get_list_display(request),
        page.list_display_links,
        page.get_list_filter(request),
        page.date_hierarchy,
        page.get_search_fields(request),
        page.get_list_select_related(request),
        page.list_per_page,
        page.list_max_show_all,
        (),
        page,
        page.get_sortable_by(request),
        page.search_help_text,
    )


def next_ids(found: ProductQuerySet, after: str | None, number: int) -> list[UUID]:
    """The keys of the next products of a selection, in the order of their keys."""
    rows = found.filter(pk__gt=after) if after else found
    return list(rows.order_by("pk").values_list("pk", flat=True)[:number])
