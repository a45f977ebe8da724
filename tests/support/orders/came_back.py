"""Returns of units, and what finance decides about their points."""

from collections.abc import Sequence

from fulfillment.models import Fulfillment
from fulfillment.returning import return_units
from fulfillment.states import ReturnedTo
from loyalty_portal.data.actor import Actor
from redemption.models import LineReturn
from redemption.orders.actions import unit_credits
from redemption.states import DecisionStatus
from tests.support.staff import staff


def came_back(
    parcel: Fulfillment,
    *,
    by: Actor,
    quantity: int | None = None,
    to: ReturnedTo = ReturnedTo.STOCK,
    reason: str = "broken",
) -> LineReturn:
    """The desk records a return: of all that is with the recipient, unless told."""
    parcel = Fulfillment.objects.get(pk=parcel.pk)
    units = parcel.with_recipient if quantity is None else quantity
    return_units(fulfillment=parcel, quantity=units, to=to, reason=reason, by=by)
    returned = LineReturn.objects.select_related("item").filter(item=parcel.reference)
    return returned.latest("recorded_at", "id")


def credited(
    returned: LineReturn,
    units: int | None = None,
    reason: str = "",
    people: Sequence[Actor] = (),
) -> None:
    """Finance gives the points of a return back: of all its units, unless told."""
    one, another = people or [Actor.person(staff("finance")) for _ in range(2)]
    unit_credits.decide_return(
        returned=returned,
        units=returned.units if units is None else units,
        reason=reason or returned.reason,
        by=one,
    )
    if returned.decisions.filter(status=DecisionStatus.PROPOSED).exists():
        unit_credits.confirm(item=returned.item, by=another)
