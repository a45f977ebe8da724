"""What the desk's page offers for a parcel: each verb's form, permission and service."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from fulfillment import services as lines
from fulfillment.desk import services
from fulfillment.desk.forms import (
    DeliverForm,
    GivenForm,
    HoldForm,
    LineForm,
    LineNotSuppliedForm,
    LineReturnForm,
    PackForm,
    ParcelForm,
    ParcelTakeOverForm,
    RecipientForm,
    WordForm,
)
from fulfillment.desk.selectors import ParcelShown, parcel_shown
from fulfillment.desk.services import Packing
from fulfillment.models import Fulfillment, Shipment
from fulfillment.permissions import ASSIGN, CORRECT, TAKE_OVER, WORK
from fulfillment.returning import return_units
from fulfillment.services import DeskError
from loyalty_portal.data.actor import Actor

Do = Callable[[ParcelShown, Any, Actor], str]


class DeskVerb(NamedTuple):
    """A verb. `do` gets the parcel as it is, the valid form, and the actor; it returns a sentence,
    or raises DeskError. `goes_on`: afterwards the next parcel is shown. `check` raises DeskError
    while the page does not show the form, so that nobody could mend what is wrong in it.
    """

    label: Promise
    do: Do
    form: type[ParcelForm] = ParcelForm
    permission: str = WORK
    goes_on: bool = False
    check: Callable[[Fulfillment, Actor], None] | None = services.check_free


class ArrivedForm(DeliverForm, ParcelForm):
    """Records that a parcel has arrived."""


def _claim(shown: ParcelShown, form: Any, by: Actor) -> str:  # noqa: ARG001 - all alike
    services.claim_parcel(parcel=shown.line, by=by)
    return _("You are working on this parcel.")


def _put_back(shown: ParcelShown, form: Any, by: Actor) -> str:  # noqa: ARG001 - all alike
    services.put_back(parcel=shown.line, by=by)
    return _("Put back for anyone.")


def _take_over(shown: ParcelShown, form: Any, by: Actor) -> str:
    whose = form.cleaned_data["whose"]
    services.take_over_parcel(parcel=shown.line, whose=whose, by=by)
    return _("You are working on this parcel now. Its history says from whom you took it over.")


def _assign(shown: ParcelShown, form: Any, by: Actor) -> str:
    colleague = form.cleaned_data["colleague"]
    services.assign_parcel(parcel=shown.line, to=colleague, by=by)
    return _("Given to %(who)s.") % {"who": colleague}


def _hold(shown: ParcelShown, form: Any, by: Actor) -> str:
    services.hold_parcel(parcel=shown.line, reason=form.cleaned_data["reason"], by=by)
    return _("Order %(order)s is on hold.") % {"order": shown.line.label}


def _release(shown: ParcelShown, form: Any, by: Actor) -> str:  # noqa: ARG001 - all alike
    services.release_parcel(parcel=shown.line, by=by)
    return _("It is in the queue again.")


def _pick(shown: ParcelShown, form: Any, by: Actor) -> str:
    services.pick(parcel=shown.line, keys=[UUID(form.cleaned_data["line"])], by=by)
    return _("Picked.")


def _ship(shown: ParcelShown, form: Any, by: Actor) -> str:
    said = form.cleaned_data
    packing = Packing(said["carrier"], said["tracking_number"], said["seen"], form.chosen())
    shipment = services.pack_and_ship(parcel=shown.line, packing=packing, by=by)
    pieces = sum(form.chosen().values())
    told = ngettext(
        "Order %(order)s: %(n)s piece sent with %(who)s.",
        "Order %(order)s: %(n)s pieces sent with %(who)s.",
        pieces,
    )
    return told % {"order": shown.line.label, "n": pieces, "who": shipment.carrier}


@transaction.atomic
def _cannot_supply(shown: ParcelShown, form: Any, by: Actor) -> str:
    said = form.cleaned_data
    held = lines.all_locked([line.pk for line in shown.lines])
    fresh = parcel_shown(shown.line.pk)
    if not held or fresh is None or fresh.state != said["seen"]:
        raise DeskError(_("Somebody has worked on this since the page was made. Look again."))
    line = next(each for each in held if str(each.pk) == said["line"])
    quantity = said["quantity"]
    lines.cannot_supply(fulfillment=line, quantity=quantity, reason=said["reason"], by=by)
    told = ngettext(
        "%(n)s piece given up; its points go back.",
        "%(n)s pieces given up; their points go back.",
        quantity,
    )
    return told % {"n": quantity}


@transaction.atomic
def _return(shown: ParcelShown, form: Any, by: Actor) -> str:
    said = form.cleaned_data
    held = lines.all_locked({each.fulfillment_id for each in shown.sent})
    if sum(line.with_recipient for line in held) != said["with_recipient"]:
        raise DeskError(_("Somebody has worked on this since the page was made. Look again."))
    line = next(each for each in held if str(each.pk) == said["line"])
    return_units(
        fulfillment=line, quantity=said["returned"], to=said["to"], reason=said["reason"], by=by
    )
    return _("Taken back. Finance decides about the points.")


def _deliver(shown: ParcelShown, form: Any, by: Actor) -> str:
    found = {each.shipment_id: each.shipment for each in shown.sent}
    shipment: Shipment | None = found.get(form.cleaned_data["shipment"])
    if shipment is None:
        raise DeskError(_("There is no such parcel here."))
    lines.deliver(shipment=shipment, by=by)
    return _("The parcel has arrived.")


def _correct(shown: ParcelShown, form: Any, by: Actor) -> str:
    services.correct_recipient(parcel=shown.line, recipient=form.cleaned_data, by=by)
    return _("Corrected. The company reads in the order’s timeline what was changed.")


def _tell(shown: ParcelShown, form: Any, by: Actor) -> str:
    services.tell_company(parcel=shown.line, **form.cleaned_data, by=by)
    return _("The company can read it in the order’s timeline.")


VERBS: Mapping[str, DeskVerb] = {
    "claim": DeskVerb(gettext_lazy("Claim"), _claim),
    "put_back": DeskVerb(gettext_lazy("Put back"), _put_back),
    "take_over": DeskVerb(
        gettext_lazy("Take it over"),
        _take_over,
        ParcelTakeOverForm,
        permission=TAKE_OVER,
        check=None,
    ),
    "assign": DeskVerb(
        gettext_lazy("Give it to them"),
        _assign,
        GivenForm,
        permission=ASSIGN,
        check=services.check_workable,
    ),
    "hold": DeskVerb(
        gettext_lazy("Put on hold"), _hold, HoldForm, goes_on=True, check=services.check_workable
    ),
    "release": DeskVerb(gettext_lazy("Release"), _release),
    "pick": DeskVerb(gettext_lazy("Picked"), _pick, LineForm, check=services.check_workable),
    "ship": DeskVerb(
        gettext_lazy("Pack and ship, next"),
        _ship,
        PackForm,
        goes_on=True,
        check=services.check_workable,
    ),
    "cannot_supply": DeskVerb(
        gettext_lazy("Give up these pieces"), _cannot_supply, LineNotSuppliedForm
    ),
    "return": DeskVerb(gettext_lazy("Take it back"), _return, LineReturnForm, check=None),
    "deliver": DeskVerb(gettext_lazy("It has arrived"), _deliver, ArrivedForm, check=None),
    "correct": DeskVerb(
        gettext_lazy("Correct"),
        _correct,
        RecipientForm,
        permission=CORRECT,
        check=services.check_correctable,
    ),
    "tell": DeskVerb(gettext_lazy("Tell the company"), _tell, WordForm),
}
