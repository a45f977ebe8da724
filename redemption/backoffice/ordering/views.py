"""The pages on which staff place an order for a seat that asked for it, as by phone."""

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.layout import Header, header_of
from accounts.models import AccountManager
from accounts.services import known_balance, refresh_balance
from catalog.models import Product
from loyalty_portal.admin_site.pages import own_page
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.celery import nudge
from loyalty_portal.data.countries import names_in
from loyalty_portal.data.recipient import FIELDS
from loyalty_portal.data.trouble import is_trouble, retried
from loyalty_portal.http.responses import SeeOther
from redemption.backoffice.ordering.forms import AboutForm
from redemption.backoffice.ordering.selectors import (
    CheckedLine,
    CheckedOrder,
    check,
    find_products,
    find_seats,
    seat_to_order_for,
    version_of,
)
from redemption.backoffice.ordering.typed import (
    MOST_LINES,
    Typed,
    TypedLine,
    read_typed,
    token_of,
)
from redemption.checkout.for_seats import nothing_ordered, place_for, why_not
from redemption.checkout.rows import label_of
from redemption.checkout.services import CheckoutInput, placed_with
from redemption.checkout.shown import Shown, read_points
from redemption.models import RedemptionOrder
from redemption.permissions import may_order_for
from redemption.saga import tasks
from redemption.saga.steps import RedemptionError

logger = logging.getLogger(__name__)
TITLE = gettext_lazy("Order for a company")
PERMISSION = "redemption.order_for_company"
BLANK = 3  # empty lines below what is typed
OF_THE_ORDER = ("asked", "reference", "note")
KINDS = {"recipient_email": "email"}


@dataclass(frozen=True, slots=True)
class OrderCell:
    """A field of the list. `errors` are sentences."""

    name: str
    label: str
    kind: str
    value: str
    errors: Sequence[str]
    suggestions: str = ""  # the id of the list of suggestions


@dataclass(frozen=True, slots=True)
class PageLine:
    """A line of the form."""

    number: int
    sku: OrderCell
    quantity: OrderCell
    own: list[OrderCell]
    has_own: bool
    product: Product | None
    points: int
    errors: list[str]


@dataclass(frozen=True, slots=True)
class Page:
    """The one object of the page's template. `checked` is None until the list was checked."""

    seat: AccountManager
    form: AboutForm
    lines: list[PageLine]
    everybody: list[OrderCell]
    countries: tuple[str, ...]
    why_not: str
    words: str
    finds: bool  # whether products were searched for just now
    found: list[Product]
    checked: CheckedOrder | None
    problem: str = ""
    placed: RedemptionOrder | None = None

    @property
    def ready(self) -> bool:
        """Whether the button that places the order is offered."""
        return bool(self.checked and self.checked.ready and not self.why_not)


@require_http_methods(["GET", "HEAD", "POST"])
def for_company(request: HttpRequest) -> HttpResponse:
    """Choose the company and the seat."""
    _must(request)
    words = request.GET.get("company", "").replace("\0", "").strip()[:100]
    by = actor_of(request)
    found = [
        (company, [(seat, why_not(seat, by)) for seat in seats])
        for company, seats in find_seats(words)
    ]
    context = {"words": words, "companies": found}
    return own_page(request, "admin/redemption/ordering/choose.html", context, title=TITLE)


@require_http_methods(["GET", "HEAD", "POST"])
def for_seat(request: HttpRequest, seat_id: UUID) -> HttpResponse:
    """The form of the order, its preview, and the button that places it."""
    _must(request)
    seat = seat_to_order_for(seat_id)
    if seat is None:
        raise Http404
    if request.method == "POST":
        return _posted(request, seat)
    token = token_of(request.GET.get("form", ""))
    if token is None:  # it stands in the address, so that a copy of the tab is the same form
        return redirect(f"{request.path}?form={uuid.uuid4()}")
    form = AboutForm(initial={"token": token})
    typed = Typed([], dict.fromkeys(FIELDS, ""))
    return _page(
        request, _of(request, seat, form, typed, placed=placed_with(seat=seat, token=token))
    )


def _posted(request: HttpRequest, seat: AccountManager) -> HttpResponse:
    do = request.POST.get("do", "check")
    typed, form = read_typed(request.POST), AboutForm(request.POST)
    token = token_of(request.POST.get("token", ""))
    if do not in {"check", "place"}:
        form.is_valid()
        form.errors.clear()  # the order is still being written
        return _page(request, _of(request, seat, form, typed))
    version = version_of(typed, [request.POST.get(name, "") for name in OF_THE_ORDER])
    header = _header(seat, ask=do == "check")
    checked = check(seat, typed, header=header, version=version)
    problem = _problem(form, checked, why_not(seat, actor_of(request)))
    # Look again for an order with this token: the other submit may have used the stock.
    if do == "place" and token and (placed := placed_with(seat=seat, token=token)):
        told = _("This form placed order %(number)s before. Nothing was ordered again.")
        messages.info(request, told % {"number": placed.order_number})
        return _to(placed)
    if do == "check" or problem:
        return _page(request, _of(request, seat, form, typed, checked, problem=problem))
    if form.cleaned_data["seen"] != version:
        problem = _("This was changed after the preview. Nothing was ordered: look again.")
        return _page(request, _of(request, seat, form, typed, checked, problem=problem))
    return _placed(request, seat, form, typed, checked)


def _problem(form: AboutForm, checked: CheckedOrder, why: str) -> str:
    """Why the list cannot be ordered as it is; "" when it can."""
    if not form.is_valid() or checked.has_errors:
        return _("Please correct what is marked. Nothing was ordered.")
    if not checked.lines:
        return _("The list is empty. Add a product.")
    if why or checked.why_not:
        return nothing_ordered(why or checked.why_not)
    return ""


def _placed(
    request: HttpRequest, seat: AccountManager, form: AboutForm, typed: Typed, checked: CheckedOrder
) -> HttpResponse:
    """Place the order; or show the form again, as it was typed, with the reason."""
    by, said = actor_of(request), form.cleaned_data
    entered = CheckoutInput(
        token=said["token"],
        seen_points=read_points(request.POST.get("seen_points", "")),
        shown=Shown.read(request.POST.get("shown", "")),
        reference=said["reference"],
        note=said["note"],
        asked=said["asked"],
    )
    try:
        order = retried(
            lambda: place_for(
                seat=seat,
                lines=checked.order_lines,
                entered=entered,
                header=checked.header,
                by=by,
            )
        )
    except RedemptionError as error:
        return _page(request, _of(request, seat, form, typed, checked, problem=str(error)))
    except Error as error:
        if not is_trouble(error):
            raise
        logger.exception("an order for a seat could not be placed")
        busy = _("This did not work just now. Press the button again: nothing is ordered twice.")
        return _page(request, _of(request, seat, form, typed, checked, problem=busy))
    nudge(tasks.settle_transaction, entered.debit_id)
    for letter in order.letters.values_list("pk", flat=True):
        nudge(tasks.send_letter, letter)
    told = _("Order %(number)s is placed for %(who)s, who is told by e-mail.")
    messages.success(request, told % {"number": order.order_number, "who": seat.user})
    return _to(order)


# --- What is shown --------------------------------------------------------------------------


def _of(
    request: HttpRequest,
    seat: AccountManager,
    form: AboutForm,
    typed: Typed,
    checked: CheckedOrder | None = None,
    *,
    problem: str = "",
    placed: RedemptionOrder | None = None,
) -> Page:
    words = request.POST.get("find", "").replace("\0", "").strip()[:100]
    finds = bool(words) and request.POST.get("do", "").partition(":")[0] in {"find", "add"}
    if checked:  # hidden fields get this page's values, not the posted ones
        form.data = {**request.POST.dict(), "seen": checked.version}
    if problem:
        messages.error(request, problem)
    return Page(
        seat=seat,
        form=form,
        lines=list(_lines(typed, checked)),
        everybody=list(_cells("all", typed.all, checked.errors if checked else {})),
        countries=names_in(get_language() or "en"),
        why_not=why_not(seat, actor_of(request)),
        words=words,
        found=find_products(seat, words) if finds else [],
        finds=finds,
        checked=checked,
        problem=problem,
        placed=placed,
    )


def _lines(typed: Typed, checked: CheckedOrder | None) -> Iterator[PageLine]:
    blank = min(BLANK, MOST_LINES - len(typed.lines))
    known: list[CheckedLine | None] = [*checked.lines] if checked else [None] * len(typed.lines)
    lines = [*typed.lines, *(TypedLine("") for _each in range(blank))]
    for number, line in enumerate(lines):
        found = known[number] if number < len(known) else None
        errors = found.errors if found else {}
        name = str(number)
        yield PageLine(
            number=number,
            sku=OrderCell(f"{name}-sku", "SKU", "text", line.sku, errors.get("sku", [])),
            quantity=OrderCell(
                f"{name}-quantity", _("Pieces"), "text", line.quantity, errors.get("quantity", [])
            ),
            own=list(_cells(name, line.own, errors)),
            has_own=line.has_own,
            product=found.product if found else None,
            points=found.points if found else 0,
            errors=errors.get("", []),
        )


def _cells(
    name: str, texts: Mapping[str, str], errors: Mapping[str, list[str]]
) -> Iterator[OrderCell]:
    for column in FIELDS:
        yield OrderCell(
            name=f"{name}-{column}",
            label=label_of(column),
            kind=KINDS.get(column, "text"),
            value=texts.get(column, ""),
            errors=errors.get(column, []),
            suggestions="countries" if column == "country" else "",
        )


def _header(seat: AccountManager, *, ask: bool) -> Header:
    """The company's points. `ask`: ask the partner, unless that was a moment ago."""
    known = refresh_balance(company=seat.company) if ask else known_balance(seat.company)
    return header_of(seat, known=known, asked=True)


def _to(order: RedemptionOrder) -> HttpResponse:
    return SeeOther(reverse("admin:redemption_redemptionorder_change", args=[order.pk]))


def _must(request: HttpRequest) -> None:
    if not may_order_for(actor_of(request)):
        raise RefusedError(PERMISSION)


def _page(request: HttpRequest, page: Page) -> HttpResponse:
    status = 422 if page.problem else 200
    template = "admin/redemption/ordering/order.html"
    return own_page(request, template, {"page": page}, title=TITLE, status=status)
