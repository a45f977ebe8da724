"""The page of a bulk edit: what is to change, then a preview, then the job."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.backoffice.bulk.changes import edited, values
from catalog.backoffice.bulk.forms import EditForm
from catalog.backoffice.bulk.selection import MOST_SELECTED, PREVIEW, products_of, read_selection
from catalog.models import Category, Product, ProductQuerySet
from loyalty_portal.admin_site.base import KeptAdmin
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.http.responses import SeeOther
from loyalty_portal.jobs.admin import begun
from loyalty_portal.jobs.services import start_job

SHOWN = 20  # products in the preview
LOOKED_AT = 1_000  # products that are examined for the preview
COUNTED = 10_000  # products that are counted; the job counts them all

# A product, its columns with the values before and after, and why it is skipped.
Row = tuple[Product, list[tuple[str, object, object]], str]
signer = Signer(salt="catalog.bulk_edit")


@dataclass(frozen=True, slots=True)
class Preview:
    """What an edit would do. `number` is up to COUNTED (`more`: there are more); `skipped` counts
    among the first LOOKED_AT (`partly`: there are more than these).
    """

    number: int
    more: bool
    skipped: int
    unchanged: int
    partly: bool
    rows: list[Row]


def foresee(found: ProductQuerySet, edit: dict[str, Any]) -> Preview:
    """Look at the first products of a selection without changing them."""
    number = len(found.order_by().values_list("pk")[: COUNTED + 1])
    names = {str(pk): name for pk, name in Category.objects.values_list("pk", "name")}
    skipped = unchanged = 0
    rows: list[Row] = []
    for product in found.order_by("pk").defer("search", "description")[:LOOKED_AT]:
        new = edited(product, edit)
        skipped += bool(new.skipped)
        unchanged += not new.skipped and not new.columns
        if len(rows) < SHOWN and (new.skipped or new.columns):
            now = values(product, new.columns)
            pairs = [
                (_label(column), _shown(now[column], names), _shown(value, names))
                for column, value in new.columns.items()
            ]
            rows.append((product, pairs, new.skipped))
    return Preview(
        min(number, COUNTED), number > COUNTED, skipped, unchanged, number > LOOKED_AT, rows
    )


def _label(column: str) -> str:
    field: Any = Product._meta.get_field(column.removesuffix("_id"))
    return str(field.verbose_name)


def _shown(value: Any, names: dict[str, str]) -> object:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return grouped(value) if isinstance(value, int) else names.get(value, value)


class BulkEditing(KeptAdmin[Product]):
    """Adds the bulk edit to the list of products: as an action, and as a page of its own."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bulk_view)
        return [path("bulk/", view, name="catalog_product_bulk"), *super().get_urls()]

    def has_bulk_edit_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.bulk_edit")

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form, or the preview that the address asks for. A POST leads to its preview
        (303), so that “back” returns to it, or, when exactly that was seen, starts the job.
        """
        if not self.has_bulk_edit_permission(request):
            raise RefusedError("catalog.bulk_edit")
        selection, asked = read_selection(request.GET), request.GET.get(PREVIEW)
        if request.method != "POST":
            form = EditForm(QueryDict(asked) if asked else None)
            edit = form.edit() if form.is_valid() else None
            return self._page(request, form, selection, edit=edit)
        form = EditForm(request.POST)
        if not form.is_valid():
            return self._page(request, form, selection, status=422)
        edit = form.edit()
        seen = self._seen(request, edit)
        if seen is None:
            return SeeOther(_address_of_preview(request, form))
        job = start_job(
            kind="catalog.bulk_edit",
            parameters={"selection": seen["selection"], "edit": edit},
            by=actor_of(request),
            token=UUID(seen["token"]),
        )
        return begun(job)

    def _seen(self, request: HttpRequest, edit: dict[str, Any]) -> dict[str, Any] | None:
        """What the person has seen the preview of with this edit; None without one."""
        try:
            seen: dict[str, Any] = json.loads(signer.unsign(request.POST.get("seen", "")))
        except (BadSignature, ValueError):
            return None
        known = (edit, str(request.user.pk))
        return seen if (seen["edit"], seen.get("by")) == known else None

    def _page(
        self,
        request: HttpRequest,
        form: EditForm,
        selection: dict[str, Any],
        *,
        edit: dict[str, Any] | None = None,
        status: int = 200,
    ) -> TemplateResponse:
        person: Any = request.user
        found = products_of(selection, person)
        seen = json.dumps(
            {"selection": selection, "edit": edit, "by": str(person.pk), "token": str(uuid7())}
        )
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Edit products"),
            "media": self.media,
            "form": form,
            "preview": foresee(found, edit or {}),
            "previewed": edit is not None,
            "seen": signer.sign(seen) if edit else "",
        }
        return TemplateResponse(request, "admin/catalog/bulk.html", context, status=status)


def _address_of_preview(request: HttpRequest, form: EditForm) -> str:
    query, asked = request.GET.copy(), QueryDict(mutable=True)
    for name in form.fields:
        if value := request.POST.get(name):
            asked[name] = value
    query[PREVIEW] = asked.urlencode()
    return f"{request.path}?{query.urlencode()}"


def address_of(request: HttpRequest, there: str) -> str:
    """The address of a page about what was chosen in the list: the checked rows, or all found."""
    if request.POST.get("select_across") == "1":
        return f"{reverse(there)}?{request.GET.urlencode()}"
    query = QueryDict(mutable=True)
    query["ids"] = ",".join(request.POST.getlist("_selected_action")[:MOST_SELECTED])
    return f"{reverse(there)}?{query.urlencode()}"


def bulk_edit(_admin: Any, request: HttpRequest, _chosen: Any) -> HttpResponse:
    """The action of the list: edit what is chosen."""
    return HttpResponseRedirect(address_of(request, "admin:catalog_product_bulk"))


bulk_edit.short_description = gettext_lazy("Edit …")  # type: ignore[attr-defined]
bulk_edit.allowed_permissions = ["bulk_edit"]  # type: ignore[attr-defined]
