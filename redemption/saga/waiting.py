"""Lines that wait: what happens when their time has come, or when their recipient answers."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from loyalty_portal.data.actor import Actor
from loyalty_portal.data.recipient import FIELDS, check_recipient, city_only
from loyalty_portal.data.texts.kept import kept
from redemption.models import LineWait, OrderItem, RedemptionOrder
from redemption.saga import steps, waits
from redemption.saga.line_news import hear_fulfillment
from redemption.saga.steps import RedemptionError
from redemption.states import LineStatus, WaitsFor


@transaction.atomic
def end_wait(item_id: uuid.UUID) -> bool:
    """Work a wait that is due, with all that are due of its order: lines for a date are passed on,
    lines without an answer end. Returns False when it is not due.

    It needs no lease: no partner is called, and the order is locked until all of it is written.
    """
    order = steps.locked(OrderItem.objects.values_list("order_id").get(pk=item_id)[0])
    due = _due_with(item_id, order)
    dated = [item for item in due if item.waits_for == WaitsFor.DATE]
    silent = [item for item in due if item.waits_for == WaitsFor.RECIPIENT]
    if dated:
        _pass_on(order, dated, reason=_("Its date has come."))
    if silent:
        why = _("The recipient did not answer in time.")
        hear_fulfillment([waits.news_of_end(item, reason=why) for item in silent])
    if not due:
        _put_back(item_id)
    return bool(due)


def _due_with(item_id: uuid.UUID, order: RedemptionOrder) -> list[OrderItem]:
    """The lines of the order that are due, if this one is. A wait whose work has raised is worked
    alone, so that it does not hold up the others.
    """
    ripe = LineWait.objects.due().filter(item__order=order.pk, item__waits_until__lte=Now())
    raised = dict(ripe.values_list("pk", "raised"))
    if item_id not in raised:
        return []
    alone = raised[item_id] > 0
    keys = [item_id] if alone else [key for key, tries in raised.items() if not tries]
    return list(OrderItem.objects.filter(pk__in=keys).select_related("product"))


def _put_back(item_id: uuid.UUID) -> None:
    """Let a wait that somebody made due early be due at its time again."""
    until = OrderItem.objects.filter(pk=OuterRef("pk")).values("waits_until")
    early = LineWait.objects.filter(pk=item_id, next_attempt_at__lt=F("item__waits_until"))
    early.update(next_attempt_at=Subquery(until))


@transaction.atomic
def answer(*, item: OrderItem, recipient: Mapping[str, str], by: Actor) -> OrderItem:
    """Write down who the recipient of a waiting line is, and pass the line on. `recipient` has the
    columns of loyalty_portal.data.recipient; `by` is SYSTEM when the recipient answered. Then the
    parcel alone has their address, and the line its city: the company sees the line.

    Raises RedemptionError, with a sentence for whoever answers, when the details are not complete
    or when the line waits for no answer (any more).
    """
    order = steps.locked(item.order_id)
    held = OrderItem.objects.select_related("product").get(pk=item.pk)
    if why := _why_not(held):
        raise RedemptionError(why)
    try:
        told = check_recipient(recipient, by_parcel=not held.product.is_virtual)
    except ValidationError as error:
        raise RedemptionError(" ".join(error.messages)) from error
    seen, reason = told, kept(lambda: _("The address was given for the recipient."))
    if by.is_system:
        seen, reason = city_only(told), kept(lambda: _("The recipient answered."))
    OrderItem.objects.filter(pk=held.pk).update(**seen)
    for name in FIELDS:
        setattr(held, name, told[name])
    _pass_on(order, [held], by=by, reason=reason)
    return held


def _why_not(item: OrderItem) -> str:
    """Why a line takes no answer, in a sentence; "" when it takes one."""
    if item.waits_for != WaitsFor.RECIPIENT:
        return _("The recipient of this is known; nobody is asked.")
    if item.fulfillment_status == LineStatus.CANCELLED:
        return _("This has ended and is not sent any more, so no answer is needed.")
    if item.fulfillment_status != LineStatus.WAITING:
        return _("This was answered already, and is on its way.")
    open_waits = LineWait.objects.filter(pk=item.pk, ended_at=None)
    if not open_waits.exists():
        return _("The order of this is not confirmed, so nobody is asked yet.")
    if not open_waits.filter(item__waits_until__gt=Now()).exists():
        return _("The time for an answer is over.")
    return ""


def _pass_on(order: RedemptionOrder, items: list[OrderItem], **why: Any) -> None:
    waits.end(items)
    steps.pass_on(order, items, **why)
