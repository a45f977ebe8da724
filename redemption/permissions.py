"""What an actor may do with orders, decisions and incidents. states.py has the allowed statuses.

Pages that offer an action and services that do it call the same function. For lists, a database
condition follows the function for one row.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, UUIDField, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import AccountManager, ApiKey, Company, StandIn
from accounts.permissions import (
    APPROVING,
    acts_as_owner,
    is_owner,
    may_approve,
    may_redeem,
    may_see_codes,
)
from accounts.seats.stand_ins import stood_in_for
from loyalty_portal.data.actor import Actor
from redemption.models import (
    Bulk,
    Decision,
    Incident,
    LineReturn,
    LoyaltyTransaction,
    RedemptionOrder,
    WebhookEndpoint,
)
from redemption.states import IncidentKind


def may_see(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether the actor acts for the company of the order."""
    return actor.seat is not None and actor.seat.company_id == order.company_id


def seen_by(actor: Actor) -> QuerySet[RedemptionOrder]:
    """The orders for which `may_see` is true."""
    if actor.seat is None:
        return RedemptionOrder.objects.none()
    return RedemptionOrder.objects.filter(company=actor.seat.company_id)


def seen_transactions(actor: Actor) -> QuerySet[LoyaltyTransaction]:
    """The points transactions of the company for which the actor acts."""
    if actor.seat is None:
        return LoyaltyTransaction.objects.none()
    return LoyaltyTransaction.objects.filter(company=actor.seat.company_id)


def placed(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether it is the actor's own order."""
    return order.was_placed_by(actor.user_id)


def part_in(actor: Actor, ordered: RedemptionOrder | Bulk) -> str:
    """Why the actor is no second person for an order, or for all orders of a bulk: they placed it,
    also as staff for somebody else, or a key that they made did. A sentence for them; "" when they
    had no part in it.
    """
    if ordered.was_placed_by(actor.user_id):
        return _(
            "Nobody approves their own order: another owner or approver of your company decides."
        )
    if isinstance(ordered, Bulk):
        return ""
    if actor.user_id is not None and actor.user_id == ordered.placed_by_id:
        return _("You placed this order as staff: another owner or approver decides.")
    if ordered.was_placed_by_key_of(actor.user_id):
        return _(
            "An API key that you made or rotated placed it: another owner or approver decides."
        )
    return ""


NOBODY = UUID(int=0)  # the id of no person


class Right(NamedTuple):
    """Whether an actor may approve or reject. `instead_of`: in whose place; None for an approver.
    `why_not`: the reason in a sentence, where they could decide, but not on this.
    """

    may: bool
    instead_of: AccountManager | None = None
    why_not: str = ""


def right_to_decide(
    actor: Actor, ordered: RedemptionOrder | Bulk, away: Sequence[AccountManager] | None = None
) -> Right:
    """By which right the actor may approve or reject an order, or all orders of a bulk.

    It is an approver's who had no part in it. Whoever stands in for an approver has the same right,
    unless that approver had a part in it. `away`: those for whom the actor stands in, if they were
    read (`stood_in_for`); that is one query otherwise, for those who are no approvers.

    `decidable` and `decidable_instead` say the same to the database, which enforces it for orders
    placed by staff (order_approved_by_another).
    """
    if actor.seat is None or actor.seat.company_id != ordered.company_id:
        return Right(False)
    if why_not := part_in(actor, ordered):
        return Right(False, why_not=why_not)
    if may_approve(actor):
        return Right(True)
    found = stood_in_for(actor.seat) if away is None else away
    others = [each for each in found if not part_in(Actor.in_seat(each), ordered)]
    if found and not others:
        why_not = _("You stand in for whoever ordered this: another owner or approver decides.")
    return Right(bool(others), others[0] if others else None, why_not)


def may_decide(actor: Actor, ordered: RedemptionOrder | Bulk) -> bool:
    """Whether the actor may approve or reject it: `right_to_decide`."""
    return right_to_decide(actor, ordered).may


def could_decide(actor: Actor) -> bool:
    """Whether the actor could ever decide on orders: each person of a company, who may stand in for
    an approver, and no key.
    """
    return actor.seat is not None and not actor.is_machine


def may_decide_orders(actor: Actor) -> bool:
    """Whether the actor may decide on orders at all now: an approver, or who stands in for one."""
    return may_approve(actor) or (actor.seat is not None and bool(stood_in_for(actor.seat)))


def decidable(*, company_id: UUID, user_id: UUID) -> Q:
    """The orders for which `may_decide` is true, for an actor who may approve for the company."""
    own = Q(account_manager__user=user_id) | Q(placed_by=user_id, placed_by__isnull=False)
    made = ApiKey.objects.filter(seat=OuterRef("account_manager"), created_by=user_id)
    return Q(company=company_id) & ~own & ~Q(Exists(made))


def decidable_instead(*, seat_id: UUID, company_id: UUID, user_id: UUID) -> Q:
    """The orders for which `may_decide` is true, for an actor who is no approver."""
    away = standing_in(seat_id).exclude(approver__user=OuterRef("account_manager__user"))
    made = ApiKey.objects.filter(
        seat=OuterRef(OuterRef("account_manager")), created_by=OuterRef("approver__user")
    )
    staff = Coalesce(OuterRef("placed_by"), Value(NOBODY), output_field=UUIDField())
    away = away.exclude(approver__user=staff).filter(~Exists(made))
    return decidable(company_id=company_id, user_id=user_id) & Q(Exists(away))


def standing_in(seat_id: UUID) -> QuerySet[StandIn]:
    """The rows by which a seat stands in for approvers at this moment, as `stood_in_for`."""
    return StandIn.objects.now().filter(
        deputy=seat_id,
        deputy__company=F("approver__company"),
        approver__role__in=APPROVING,
        approver__is_active=True,
        approver__user__is_active=True,
        approver__user__is_machine=False,
    )


def may_see_bulk(actor: Actor, bulk: Bulk) -> bool:
    """Whether the actor may see a bulk, with its people: who gave it, and who may decide on it."""
    own = actor.seat is not None and actor.seat.pk == bulk.seat_id
    return own or may_decide(actor, bulk)


def may_order_for(actor: Actor) -> bool:
    """Whether the actor may place an order for a seat of a company that asked for it."""
    return actor.has_perm("redemption.order_for_company")


def may_cancel(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether the actor may cancel the order.

    True for one's own order, for approvers of its company, and for staff with that permission.
    """
    own = may_redeem(actor) and _own_or_approver(actor, order)
    return own or actor.has_perm("redemption.cancel_order")


def may_reveal(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether the actor may see the codes of the order."""
    return may_see_codes(actor) and _own_or_approver(actor, order)


def may_resend(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether the actor may have the codes of the order sent again: whoever may see them, and staff
    with that permission, who never see them.
    """
    return may_reveal(actor, order) or actor.has_perm("redemption.resend_codes")


def may_ask(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether the actor may ask staff about the order."""
    return may_redeem(actor) and may_see(actor, order)


def may_answer(actor: Actor) -> bool:
    """Whether the actor may answer what companies ask."""
    return actor.has_perm("redemption.answer_question")


def _own_or_approver(actor: Actor, order: RedemptionOrder) -> bool:
    return may_see(actor, order) and (may_approve(actor) or placed(actor, order))


def may_second(actor: Actor, decision: Decision) -> bool:
    """Whether the actor may confirm or reject a proposal: anybody except its author.

    The database enforces it too (decided_by_two_people).
    """
    return actor.user_id not in {None, decision.proposed_by_id}


def may_credit_units(actor: Actor) -> bool:
    """Whether the actor may give points of some units back; above the limit they propose it."""
    return actor.has_perm("redemption.credit_units")


def may_decide_credit(actor: Actor) -> bool:
    """Whether the actor may decide about the points of what came back, and as second person about
    what others propose.
    """
    return actor.has_perm("redemption.decide_credit")


def recorded(actor: Actor, returned: LineReturn) -> bool:
    """Whether the actor recorded the return, and so decides nothing about it.

    The database enforces it too (return_decided_by_others).
    """
    return actor.user_id is not None and actor.user_id == returned.recorded_by_id


def may_compare(actor: Actor) -> bool:
    """Whether the actor may compare our transactions with the partner's statement."""
    return actor.has_perm("redemption.run_reconciliation")


def may_see_reports(actor: Actor) -> bool:
    """Whether the actor may see and export reports."""
    return actor.has_perm("redemption.view_reports")


def seen_incidents(actor: Actor, incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """The incidents that the actor may see; without access to orders, those about stock only."""
    if actor.has_perm("redemption.view_redemptionorder"):
        return incidents
    return incidents.filter(kind=IncidentKind.STOCK_DRIFT)


def may_manage_endpoints(actor: Actor, company: Company) -> bool:
    """Whether the actor may add, change, ping and remove webhook endpoints of the company."""
    return is_owner(actor, company)


def may_manage_own_endpoints(actor: Actor) -> bool:
    """The same, of the company for which the actor acts."""
    return acts_as_owner(actor)


def may_disable_endpoints(actor: Actor) -> bool:
    """Whether the actor may, as staff, switch webhook endpoints of companies off and on."""
    return actor.has_perm("redemption.disable_webhookendpoint")


def may_replay_endpoint(actor: Actor, endpoint: WebhookEndpoint) -> bool:
    """Whether the actor may have what the endpoint missed sent again."""
    if actor.is_system or actor.has_perm("redemption.replay_webhookendpoint"):
        return True
    return is_owner(actor, endpoint.company)
