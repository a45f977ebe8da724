"""What an actor may do with orders, decisions and incidents. states.py has the allowed statuses.

Pages that offer an action and services that do it call the same function. For lists, a database
condition follows the function for one row.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, UUIDField, Value
from django.db.models.functions import Coalesce

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


def placed_for(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether the actor placed the order as staff, for somebody's seat."""
    return actor.user_id is not None and actor.user_id == order.placed_by_id


def placed_by_own_key(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether an API key placed the order that the actor made or rotated."""
    return order.was_placed_by_key_of(actor.user_id)


def had_part(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether the order is the actor's in any way: their own, one that they placed as staff for
    somebody else, or one of a key that they made. They are no second person for it.
    """
    return placed(actor, order) or placed_for(actor, order) or placed_by_own_key(actor, order)


NOBODY = UUID(int=0)  # the id of no person


class Decider(NamedTuple):
    """That an actor may decide. `instead_of`: in whose place; None for an approver."""

    instead_of: AccountManager | None


def decider(
    actor: Actor, order: RedemptionOrder, away: Sequence[AccountManager] | None = None
) -> Decider | None:
    """By which right the actor may approve or reject the order; None when they may not.

    It is an approver's who had no part in it. Whoever stands in for an approver has the same right,
    unless that approver had a part in it. `away`: those for whom the actor stands in, if they were
    read (`stood_in_for`); that is one query otherwise, for those who are no approvers.
    """
    if actor.seat is None or not may_see(actor, order) or had_part(actor, order):
        return None
    if may_approve(actor):
        return Decider(None)
    found = stood_in_for(actor.seat) if away is None else away
    others = (each for each in found if not had_part(Actor.in_seat(each), order))
    return next(map(Decider, others), None)


def may_decide(actor: Actor, order: RedemptionOrder) -> bool:
    """Whether the actor may approve or reject the order: an approver who had no part in it, or who
    stands in for one.

    The database enforces it for orders placed by staff too (order_approved_by_another).
    """
    return decider(actor, order) is not None


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


def bulk_decider(actor: Actor, bulk: Bulk) -> Decider | None:
    """By which right the actor may approve or reject all orders of a bulk; None when they may not.
    Nobody decides on what they gave themselves, nor does who stands in for them.
    """
    seat, gave = actor.seat, bulk.seat.user_id
    if seat is None or seat.company_id != bulk.seat.company_id or actor.user_id == gave:
        return None
    if may_approve(actor):
        return Decider(None)
    others = (each for each in stood_in_for(seat) if each.user_id != gave)
    return next(map(Decider, others), None)


def may_decide_bulk(actor: Actor, bulk: Bulk) -> bool:
    """Whether the actor may approve or reject all orders of a bulk: an approver of its company or
    who stands in for one, and not who gave it.
    """
    return bulk_decider(actor, bulk) is not None


def may_see_bulk(actor: Actor, bulk: Bulk) -> bool:
    """Whether the actor may see a bulk, with its people: who gave it, and who may decide on it."""
    own = actor.seat is not None and actor.seat.pk == bulk.seat_id
    return own or may_decide_bulk(actor, bulk)


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
