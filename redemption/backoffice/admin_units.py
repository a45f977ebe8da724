"""The units of a line: cancel it, give points of some units back, decide about what came back."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty_portal.admin_site.base import ActingAdmin
from loyalty_portal.admin_site.found import Branch
from loyalty_portal.admin_site.verbs import Verb, actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.recipient import FIELDS
from redemption.backoffice.badges import line_badge
from redemption.backoffice.forms import (
    CancelForm,
    ConfirmForm,
    CorrectRecipientForm,
    CreditUnitsForm,
    DecideReturnForm,
    RejectProposalForm,
)
from redemption.backoffice.search.lists import lines_found
from redemption.backoffice.selectors import (
    decided,
    events_of,
    line_records,
    proposal_of,
    recorded_event,
)
from redemption.models import Decision, LineReturn, LineUnits
from redemption.orders.actions import recipients, unit_credits
from redemption.orders.actions.cancelling import Cancellation, cancel_line, cancellation
from redemption.permissions import may_decide_credit, recorded
from redemption.saga.steps import RedemptionError
from redemption.states import ABOUT_UNITS, DecisionStatus


def _cancel(item: LineUnits, data: dict[str, Any], by: Actor) -> str:
    return cancel_line(item=item, by=by, reason=data["reason"], shown=data["shown"])


def _credit(item: LineUnits, data: dict[str, Any], by: Actor) -> str:
    return unit_credits.credit_units(
        item=item, units=data["units"], reason=data["reason"], by=by, seen=data["seen"]
    )


def _correct(item: LineUnits, data: dict[str, Any], by: Actor) -> str:
    recipient = {name: data[name] for name in FIELDS}
    return recipients.correct_recipient(
        item=item, recipient=recipient, reason=data["reason"], by=by
    )


def _decide(item: LineUnits, data: dict[str, Any], by: Actor) -> str:
    returned = item.returns.filter(pk=data["returned"]).select_related("item").first()
    if returned is None:
        raise RedemptionError(_("There is no such return here."))
    return unit_credits.decide_return(
        returned=returned, units=data["back"], reason=data["reason"], by=by
    )


def _confirm(item: LineUnits, data: dict[str, Any], by: Actor) -> str:
    return unit_credits.confirm(item=item, proposal=data["proposal"], by=by)


def _reject(item: LineUnits, data: dict[str, Any], by: Actor) -> str:
    unit_credits.reject(item=item, proposal=data["proposal"], reason=data["reason"], by=by)
    return _("Rejected. Something else may be proposed.")


_OPEN = Decision.objects.filter(verdict__in=ABOUT_UNITS, status=DecisionStatus.PROPOSED)
_DUE = LineReturn.objects.filter(decided_at=None)
# Lines by their keys: with OR, PostgreSQL would read all lines.
_PROPOSED, _RETURNED = (rows.order_by().values("item") for rows in (_OPEN, _DUE))


class WaitingFilter(admin.SimpleListFilter):
    """Filters lines by what somebody must decide. Without a choice, all of these are shown."""

    title = gettext_lazy("waits")
    parameter_name = "waits"
    kinds = {
        "due": Q(pk__in=_RETURNED),
        "proposed": Q(pk__in=_PROPOSED),
        "back": Q(quantity_returned__gt=0),
        "credited": Q(quantity_credited__gt=0),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("due", _("Came back, not decided")),
            ("proposed", _("Waits for a second person")),
            ("back", _("Everything that came back")),
            ("credited", _("Everything that was credited all the same")),
        ]

    def choices(self, changelist: Any) -> Any:
        """Without a choice, show only lines that wait for a decision."""
        first, *others = super().choices(changelist)
        return [{**first, "display": _("To decide")}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LineUnits]) -> QuerySet[LineUnits]:
        waits = Q(pk__in=_RETURNED.union(_PROPOSED))
        return queryset.filter(self.kinds.get(self.value() or "", waits))


class LineUnitsAdmin(ActingAdmin[LineUnits]):
    """Lines about whose units somebody must decide; each line of an order has the page."""

    list_display = ["order_number", "what", "back", "credited", "status_shown"]
    list_select_related = ["order"]
    list_filter = [WaitingFilter]
    search_fields = ["sku"]
    search_help_text = gettext_lazy("Order number, SKU or the recipient's e-mail")
    ordering = ["-id"]
    page_template = "admin/redemption/units.html"
    refusals = (RedemptionError,)
    may = "redemption.decide_credit"
    verbs = {
        "cancel": Verb(
            gettext_lazy("Cancel this line"), "redemption.cancel_order", _cancel, CancelForm
        ),
        "credit": Verb(
            gettext_lazy("Give these points back"),
            "redemption.credit_units",
            _credit,
            CreditUnitsForm,
        ),
        "correct": Verb(
            gettext_lazy("Correct the recipient"),
            "fulfillment.correct_recipient",
            _correct,
            CorrectRecipientForm,
        ),
        "decide": Verb(gettext_lazy("Decide it"), may, _decide, DecideReturnForm),
        "confirm": Verb(gettext_lazy("Confirm it"), may, _confirm, ConfirmForm),
        "reject": Verb(gettext_lazy("Reject it"), may, _reject, RejectProposalForm),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[LineUnits]:
        return super().get_queryset(request).select_related("order__company")

    def found_by(self, term: str) -> Sequence[Branch]:
        return lines_found(LineUnits.objects.all(), term)

    def first_values(self, row: LineUnits) -> dict[str, object]:
        read = _read(row)
        due = read.due
        return {
            "shown": read.offer.shown,
            "seen": row.quantity_refunded,
            "units": min(1, row.quantity_chargeable),
            "returned": due.pk if due else None,
            "back": min(due.units, row.quantity_chargeable) if due else 0,
            "proposal": proposal_of(row),
            **row.recipient(),
        }

    def facts(self, request: HttpRequest, row: LineUnits) -> dict[str, object]:
        actor = actor_of(request)
        made = decided(row, actor)
        proposal, read = made["proposal"], _read(row)
        due = read.due
        returned = proposal.returned if isinstance(proposal, Decision) else None
        own = made["own"] or bool(returned and recorded(actor, returned))
        events = events_of(row)
        return {
            **made,
            "order": row.order,
            "item": row,
            "state": line_badge(row),
            "cancellation": read.offer,
            "too_late": read.too_late,
            "returns": read.returns,
            "due": due,
            "recorded_it": bool(due and recorded(actor, due)),
            "own": own,
            "may_decide": may_decide_credit(actor),
            "steps": [recorded_event(event) for event in events],
        }

    @admin.display(description=gettext_lazy("order"))
    def order_number(self, row: LineUnits) -> str:
        return row.order.order_number

    @admin.display(description=gettext_lazy("what"))
    def what(self, row: LineUnits) -> SafeString:
        return format_html(
            '<span class="two-lines"><b>{} × {}</b><small>{}</small></span>',
            row.quantity,
            row.product_name,
            row.sku,
        )

    @admin.display(description=gettext_lazy("came back"))
    def back(self, row: LineUnits) -> int:
        return row.quantity_returned

    @admin.display(description=gettext_lazy("credited all the same"))
    def credited(self, row: LineUnits) -> int:
        return row.quantity_credited

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, row: LineUnits) -> SafeString:
        return line_badge(row)


class _Read(NamedTuple):
    """What both the forms and the page are made of."""

    offer: Cancellation  # what cancelling the line would do now
    too_late: str  # why its recipient cannot be corrected; "" when that is possible
    returns: list[LineReturn]  # the oldest first

    @property
    def due(self) -> LineReturn | None:
        """The first that was not decided about."""
        return next((each for each in self.returns if each.decided_at is None), None)


def _read(row: LineUnits) -> _Read:
    """Read it once for each row that was loaded."""
    kept: dict[str, Any] = vars(row)
    if "read" not in kept:
        returns = row.returns.select_related("recorded_by").order_by("recorded_at", "id")
        [line] = line_records([row], with_parcels=False)
        offer = cancellation(row.order, [(row, line.progress, line.calls)])
        why = recipients.too_late(row, line.fulfillment)
        kept["read"] = _Read(offer, why, list(returns))
    found: _Read = kept["read"]
    return found
