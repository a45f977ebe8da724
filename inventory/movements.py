"""The page of all stock movements: who, when, why. Pages by key, never counted as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.db.models.functions import Upper
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from catalog.models import Product
from inventory.models import MovementKind, StockDocument, StockMovement
from loyalty_portal.admin_site.fields import DayField
from loyalty_portal.data.form_fields.choices import RowField
from loyalty_portal.data.one_line import OneLineField
from loyalty_portal.data.tables.places import Place
from loyalty_portal.data.texts.times import midnight

ON_A_PAGE = 50


class MovementFilter(forms.Form):
    """What to show. All fields may be empty."""

    sku = OneLineField(
        label=gettext_lazy("SKU"), required=False, max_length=100, widget=UnfoldAdminTextInputWidget
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        choices=[("", gettext_lazy("All")), *MovementKind.choices],
        widget=UnfoldAdminSelectWidget,
    )
    by = RowField(
        User.objects.none(),
        label=gettext_lazy("Person"),
        required=False,
        empty_label=gettext_lazy("Everybody"),
        error_messages={"invalid_choice": gettext_lazy("Nobody of the staff is meant by this.")},
        widget=UnfoldAdminSelectWidget,
    )
    reason = OneLineField(
        label=gettext_lazy("Reason begins with"),
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
    )
    document = OneLineField(
        label=gettext_lazy("Document"),
        required=False,
        max_length=20,
        widget=UnfoldAdminTextInputWidget,
    )
    since = DayField(label=gettext_lazy("From"), required=False)
    until = DayField(label=gettext_lazy("To"), required=False)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        people: Any = self.fields["by"]
        people.queryset = User.objects.filter(is_staff=True).order_by("name", "email")

    def clean_sku(self) -> Product | None:
        sku: str = self.cleaned_data["sku"]
        if not sku:
            return None
        found = Product.objects.annotate(key=Upper("sku")).filter(key=sku.upper()).first()
        if found is None:
            raise forms.ValidationError(_("No product has this SKU."))
        return found

    def clean_document(self) -> StockDocument | None:
        number: str = self.cleaned_data["document"]
        if not number:
            return None
        found = StockDocument.objects.filter(number=number.upper()).first()
        if found is None:
            raise forms.ValidationError(_("No document has this number."))
        return found

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and until and until < since:
            self.add_error("until", _("The last day is before the first."))
        return given


@dataclass(frozen=True, slots=True)
class MovementPage:
    """Some movements, the newest first. `older`, `newest`: the queries of other pages, "" if
    none.
    """

    form: MovementFilter
    rows: list[StockMovement]
    older: str
    newest: str


def movement_page(request: HttpRequest) -> MovementPage:
    """The page that the request's query asks for; without rows if the query makes no sense."""
    form = MovementFilter(request.GET or {})
    if not form.is_valid():
        return MovementPage(form, [], "", "")
    rows = _filtered(form.cleaned_data)
    if after := Place.read(request.GET.get("after", "")):
        rows = rows.filter(after.earlier("created_at"))
    found = list(rows.select_related("product", "by", "document")[: ON_A_PAGE + 1])
    asked = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
    older = ""
    if len(found) > ON_A_PAGE:
        last = found[ON_A_PAGE - 1]
        older = urlencode({**asked, "after": str(Place(last.created_at, last.pk))})
    newest = urlencode(asked) if request.GET.get("after") else ""
    return MovementPage(form, found[:ON_A_PAGE], older, newest)


def _filtered(data: Mapping[str, Any]) -> QuerySet[StockMovement]:
    rows = StockMovement.objects.order_by("-created_at", "-id")
    exact = {"product": data["sku"], "by": data["by"], "document": data["document"]}
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if data["kind"]:
        rows = rows.filter(kind=data["kind"])
    if data["reason"]:
        rows = rows.exclude(reason="").filter(reason__istartswith=data["reason"])
    if data["since"]:
        rows = rows.filter(created_at__gte=midnight(data["since"]))
    if data["until"]:
        rows = rows.filter(created_at__lt=midnight(data["until"]) + timedelta(days=1))
    return rows
