"""Loyalty transactions and virtual deliveries, with a page on which two people decide unclear ones.

Both share the page; the two classes define what differs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.backoffice.finding import company_keys
from fulfillment.models import PartnerCall, VirtualCode
from loyalty_portal.admin_site.base import ActingAdmin
from loyalty_portal.admin_site.found import Branch, newest_of
from loyalty_portal.admin_site.lists import KeyedDateFilter
from loyalty_portal.admin_site.verbs import Verb, actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import retold
from loyalty_portal.data.texts.numbers import signed
from redemption.backoffice.badges import line_badge, transaction_badge
from redemption.backoffice.filters import AT_PARTNER, DeliveryStatusFilter
from redemption.backoffice.forms import (
    ConfirmForm,
    ProposeDeliveryForm,
    ProposeForm,
    ProposeRemedyForm,
    RejectProposalForm,
    ResendForm,
)
from redemption.backoffice.search.lists import lines_found, numbered
from redemption.backoffice.selectors import (
    LineRecord,
    decided,
    events_of,
    line_records,
    proposal_of,
    recorded_event,
)
from redemption.backoffice.work.views import unclear_points
from redemption.models import IncidentCase, LoyaltyTransaction, OrderItem
from redemption.orders.actions import (
    delivery_decisions,
    remedies,
    resending,
    transaction_decisions,
)
from redemption.saga.steps import RedemptionError
from redemption.states import REMEDIES, UNCLEAR, DecisionStatus, Verdict

Row = TypeVar("Row", LoyaltyTransaction, OrderItem)


class Fact(NamedTuple):
    """A row of the panel “At the partner”. `code`: show it as a number or key."""

    label: str
    text: object
    code: bool = False
    end: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What the page shows about its row. `beside`: shown after the order's company.

    `undecided`: a proposal may be made. `wrong`: a remedy may be proposed. `came`: how many units
    were delivered. `attention`: why a person must look, "" if nobody must.
    """

    name: object
    points: int
    beside: list[object]
    badge: SafeString
    facts: list[Fact]
    cases: QuerySet[IncidentCase]
    undecided: bool
    sent: str = ""
    attention: str = ""
    wrong: bool = False
    came: int = 0


def _second_person(may: str, about: str, services: Callable[[Any], Any]) -> dict[str, Verb[Any]]:
    """The verbs for confirming and rejecting a proposal.

    `services` returns the module that decides on a row's open proposal; its functions take the row
    as `about`.
    """

    def confirm(row: Any, data: dict[str, Any], by: Actor) -> str:
        told: str = services(row).confirm(**{about: row}, proposal=data["proposal"], by=by)
        return told

    def reject(row: Any, data: dict[str, Any], by: Actor) -> str:
        services(row).reject(
            **{about: row}, proposal=data["proposal"], reason=data["reason"], by=by
        )
        return _("Rejected. Something else may be proposed.")

    return {
        "confirm": Verb(gettext_lazy("Confirm it"), may, confirm, ConfirmForm),
        "reject": Verb(gettext_lazy("Reject it"), may, reject, RejectProposalForm),
    }


class _DecidingAdmin(ActingAdmin[Row], Generic[Row]):
    """Base of both pages: what the row is, earlier decisions, and possible actions."""

    page_template = "admin/redemption/decision.html"
    refusals = (RedemptionError,)
    how: ClassVar[Promise]  # where to check before proposing

    def told(self, row: Row) -> Told:
        raise NotImplementedError

    def first_values(self, row: Row) -> dict[str, object]:
        return {"proposal": proposal_of(row)}

    def facts(self, request: HttpRequest, row: Row) -> dict[str, object]:
        told = self.told(row)
        events = events_of(row)
        return {
            "order": row.order,
            "told": told,
            "how": self.how,
            "partner_resends": settings.FULFILLMENT_API_RESEND,
            "cases": told.cases.select_related("incident"),
            "steps": [recorded_event(event) for event in events],
            **decided(row, actor_of(request)),
        }

    @admin.display(description=gettext_lazy("order"))
    def order_number(self, row: Row) -> str:
        return row.order.order_number


def _moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT")


def _parts(*parts: object) -> str:
    """The non-empty facts, for the page's list."""
    return " · ".join(str(part) for part in parts if part)


def _answer(row: LoyaltyTransaction | PartnerCall) -> str:
    return f"{row.answer_status or ''} {row.answer_code or '–'} {row.answer_detail}".strip()


def _first_try(row: LoyaltyTransaction | PartnerCall) -> str:
    told = _("first %(when)s")
    return told % {"when": _moment(row.first_sent_at)} if row.first_sent_at else ""


# --- Transactions --------------------------------------------------------------------------------


def _propose(transaction: LoyaltyTransaction, data: dict[str, Any], by: Actor) -> str:
    transaction_decisions.propose(
        intent=transaction,
        verdict=Verdict(data["verdict"]),
        entry=data["entry"],
        evidence=data["evidence"],
        by=by,
    )
    return _("Proposed. It counts once a second person confirms it.")


class OutcomeFilter(admin.SimpleListFilter):
    """Filters transactions whose outcome is unknown."""

    title = gettext_lazy("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unclear", _("Not clear yet"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status__in=UNCLEAR) if self.value() == "unclear" else queryset


class LoyaltyTransactionAdmin(_DecidingAdmin[LoyaltyTransaction]):
    """The ledger: every debit and credit with its outcome at the partner."""

    list_display = [
        "created_at", "order_number", "company", "points", "status_shown", "answer",
        "external_transaction_id",
    ]  # fmt: skip
    list_select_related = ["order", "company"]
    list_filter = [OutcomeFilter, "status", "transaction_type", ("created_at", KeyedDateFilter)]
    search_fields = ["key"]
    search_help_text = gettext_lazy("Order number, the partner's id, key or company")
    ordering = ["-id"]  # the time is in the key, which has an index
    how = gettext_lazy(
        "Look for the order's number in the partner's statement, or ask the partner. Your "
        "proposal counts once a second person confirms it."
    )
    may = "redemption.decide_transaction"
    verbs = {
        "propose": Verb(gettext_lazy("Propose this"), may, _propose, ProposeForm),
        **_second_person(may, "intent", lambda _row: transaction_decisions),
    }

    def get_urls(self) -> list[URLPattern]:
        unclear = self.admin_site.admin_view(unclear_points)
        there = path("unclear/", unclear, name="redemption_loyaltytransaction_unclear")
        return [there, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LoyaltyTransaction]:
        rows = super().get_queryset(request)
        return rows.select_related("order__company", "company", "item", "original")

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = LoyaltyTransaction.objects.order_by()
        return [
            rows.filter(order__in=numbered(term)),
            rows.filter(external_transaction_id=term),
            rows.filter(key__startswith=term),
            *newest_of(rows, "company", company_keys(term), by="-created_at"),
        ]

    def told(self, row: LoyaltyTransaction) -> Told:
        made = date_format(timezone.localtime(row.created_at), "DATETIME_FORMAT")
        return Told(
            name=row.get_transaction_type_display(),
            points=row.points_amount,
            beside=[format_html('<time datetime="{}">{}</time>', row.created_at.isoformat(), made)],
            badge=transaction_badge(row),
            facts=list(_facts_of_points(row)),
            cases=row.incident_cases.all(),
            undecided=row.is_undecided,
            sent=row.body,
        )

    @admin.display(description=gettext_lazy("points"))
    def points(self, transaction: LoyaltyTransaction) -> SafeString:
        shown = signed(transaction.signed_points)
        return format_html('<span class="figure">{}</span>', shown)

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, transaction: LoyaltyTransaction) -> SafeString:
        return transaction_badge(transaction)

    @admin.display(description=gettext_lazy("answer"))
    def answer(self, transaction: LoyaltyTransaction) -> str:
        parts = (transaction.answer_status, transaction.answer_code)
        return " ".join(str(part) for part in parts if part) or "–"


def _facts_of_points(row: LoyaltyTransaction) -> Iterator[Fact]:
    due = row.next_attempt_at
    yield Fact(_("Entry"), row.external_transaction_id or "–", code=True)
    yield Fact(_("Key"), row.key, code=True)
    yield Fact(_("Last answer"), _answer(row))
    again = _("next %(when)s") % {"when": _moment(due)} if due else ""
    yield Fact(_("Tries"), _parts(str(row.attempts), _first_try(row), again))
    if row.settled_at:
        yield Fact(_("Settled"), _moment(row.settled_at))
    if row.original:
        there = reverse("admin:redemption_loyaltytransaction_change", args=[row.original_id])
        link = format_html('<a class="link" href="{}">{}</a>', there, row.original)
        parts = [(part,) for part in (link, row.item, retold(row.reason)) if part]
        yield Fact(_("Gives back"), format_html_join(" · ", "{}", parts))


# --- Deliveries ----------------------------------------------------------------------------------


def _propose_delivery(item: OrderItem, data: dict[str, Any], by: Actor) -> str:
    delivery_decisions.propose(item=item, came=data["came"], evidence=data["evidence"], by=by)
    return _("Proposed. It counts once a second person confirms it.")


def _put_right(item: OrderItem, data: dict[str, Any], by: Actor) -> str:
    remedies.propose(
        item=item,
        verdict=Verdict(data["remedy"]),
        evidence=data["evidence"],
        agreed_by=data["agreed_by"],
        agreed_on=data["agreed_on"],
        by=by,
    )
    return _("The partner says the same. It is done once a second person confirms it.")


def _resend(item: OrderItem, data: dict[str, Any], by: Actor) -> str:
    return resending.resend(item=item, email=data["email"], reason=data["reason"], by=by)


def _services_of(item: OrderItem) -> Any:
    """The module that decides on a line's open proposal: about its end, or about a remedy."""
    waiting = item.decisions.filter(status=DecisionStatus.PROPOSED, verdict__in=REMEDIES)
    return remedies if waiting.exists() else delivery_decisions


class DeliveryAdmin(_DecidingAdmin[OrderItem]):
    """Lines that a partner delivers. Codes belong to the company and are never shown here."""

    list_display = ["order_number", "what", "recipient_email", "status_shown"]
    list_select_related = ["order"]
    list_filter = [DeliveryStatusFilter]
    search_fields = ["sku"]
    search_help_text = gettext_lazy("Order number, SKU or the recipient's e-mail")
    ordering = ["-id"]
    how = gettext_lazy(
        "Look for our reference at the partner, or ask the partner. The recipient has delivered "
        "units from the partner: no codes are entered here. The points of undelivered units are "
        "given back. Your proposal counts once a second person confirms it."
    )
    may = "redemption.decide_delivery"
    verbs = {
        "propose": Verb(gettext_lazy("Propose this"), may, _propose_delivery, ProposeDeliveryForm),
        "remedy": Verb(
            gettext_lazy("Ask the partner, and propose this"), may, _put_right, ProposeRemedyForm
        ),
        "resend": Verb(
            gettext_lazy("Send the codes again"), "redemption.resend_codes", _resend, ResendForm
        ),
        **_second_person(may, "item", _services_of),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderItem]:
        rows = super().get_queryset(request).filter(pk__in=AT_PARTNER.values("reference"))
        return rows.select_related("order__company")

    def found_by(self, term: str) -> Sequence[Branch]:
        return lines_found(OrderItem.objects.all(), term)

    def first_values(self, row: OrderItem) -> dict[str, object]:
        offered = remedies.offered(_line(row).fulfillment)
        return {"offered": offered, "email": row.recipient_email, **super().first_values(row)}

    def told(self, row: OrderItem) -> Told:
        line = _line(row)
        return Told(
            name=row,
            points=row.points,
            beside=[row.sku, f"{row.recipient_name}, {row.recipient_email}"],
            badge=line_badge(row),
            facts=list(_facts_of_delivery(line)),
            cases=row.order.incident_cases.filter(facts__line=str(row.pk)),
            undecided=line.undecided,
            attention=line.fulfillment.attention if line.fulfillment else "",
            wrong=bool(remedies.offered(line.fulfillment)),
            came=row.quantity_delivered,
        )

    @admin.display(description=gettext_lazy("what"))
    def what(self, item: OrderItem) -> SafeString:
        return format_html(
            '<span class="two-lines"><b>{} × {}</b><small>{}</small></span>',
            item.quantity,
            item.product_name,
            item.sku,
        )

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, item: OrderItem) -> SafeString:
        return line_badge(item)


def _line(row: OrderItem) -> LineRecord:
    """The record of a row, read once, because the page and its forms use it."""
    kept = vars(row)
    if "record" not in kept:
        [kept["record"]] = line_records([row], with_parcels=False)
    record: LineRecord = kept["record"]
    return record


def _facts_of_delivery(line: LineRecord) -> Iterator[Fact]:
    held = line.fulfillment
    if held is None:
        return
    yield Fact(_("Its number"), held.partner_id or "–", code=True, end=held.partner_status)
    yield Fact(_("Our reference"), held.pk, code=True)
    if held.reason:
        yield Fact(_("Why, in its own words"), held.reason, code=True)
    for call in line.calls:
        tries = ngettext("%(n)s try", "%(n)s tries", call.attempts) % {"n": call.attempts}
        told = f"{call.get_status_display()}, {tries}"
        yield Fact(call.get_kind_display(), _parts(told, _first_try(call), _answer(call)))
    withdrawn = VirtualCode.objects.filter(fulfillment=held, withdrawn_at__isnull=False).count()
    if withdrawn:
        yield Fact(_("Codes withdrawn"), withdrawn)
    if held.next_attempt_at:
        yield Fact(_("Asked again"), _moment(held.next_attempt_at))
