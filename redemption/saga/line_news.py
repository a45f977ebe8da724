"""Processes news from fulfillment about the lines of an order."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from fulfillment.news import News, Resent
from fulfillment.states import ReturnedTo
from inventory import services as stock
from inventory.models import Reservation
from inventory.services import Want
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.lifecycle import StaleStatusError, transition_all
from loyalty_portal.data.recipient import city_only
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.fastpath.updates import PreparedHold
from redemption.incidents.services import raise_incident, settle_incident
from redemption.messages.digests import gather, is_part
from redemption.models import (
    EventSubject,
    Letter,
    LetterKind,
    LineReturn,
    OrderEvent,
    OrderItem,
    RedemptionOrder,
)
from redemption.models.orders import MOVED
from redemption.saga import waits
from redemption.saga.credits import intend_credit
from redemption.saga.steps import close, flag, locked, new_letter, write_letters
from redemption.states import SETTLED_LINE, IncidentKind, LineStatus, OrderStatus


@transaction.atomic(savepoint=False)  # an error rolls all of it back
def hear_fulfillment(news: Sequence[News]) -> None:
    """Process news about lines of one order, in the transaction of what happened to them.
    fulfillment calls it by settings.FULFILLMENT_LISTENER.
    """
    items = _held(news)
    order = items[news[0].reference].order
    told = [(items[each.reference], each) for each in news]
    if any(each.was and item.fulfillment_status != each.was for item, each in told):
        raise StaleStatusError(f"Not all lines of {order} wait still")
    for item, each in told:
        _hear_trouble(order, item, each)
    _hear_words(order, told)
    moved = [(item, each) for item, each in told if each.is_progress]
    if moved:
        _go_on(order, moved)


def _lines() -> "QuerySet[OrderItem]":
    """Lines with all that their news needs. They need no locks of their own."""
    known = {"holds_stock": Exists(Reservation.objects.filter(reference=OuterRef("pk")))}
    return OrderItem.objects.annotate(**known)


# One line and its order, which is locked as by `locked`. The line may be older than the lock: only
# news changes it, and whoever brings it holds its fulfillment. A line that waits has none.
_line = PreparedHold(
    lambda key: (
        _lines().select_related("order__company", "order__account_manager__user").filter(pk=key)
    ),
    uuid.uuid4(),
    held=lambda key: RedemptionOrder.objects.filter(
        pk__in=OrderItem.objects.filter(pk=key).values("order")
    ),
    changes=MOVED,
)


def _held(news: Sequence[News]) -> dict[uuid.UUID, OrderItem]:
    """The lines of the news, which are of one order. All share it as `order`, locked."""
    keys = [each.reference for each in news]
    if len(news) == 1 and not news[0].was:
        return {line.pk: line for line in _line(keys[0])}
    order = locked(OrderItem.objects.values_list("order_id").get(pk=keys[0])[0])
    items = _lines().in_bulk(keys)
    for item in items.values():
        item.order = order
    return items


def _hear_trouble(order: RedemptionOrder, item: OrderItem, news: News) -> None:
    """Process news that is no progress of a line: a problem for a person, or its end."""
    if news.attention:
        facts = {"line": str(item.pk), "line was": item.fulfillment_status}
        flag(order, news.attention, kind=IncidentKind(news.trouble), about=item, **facts)
    elif news.righted:
        _put_right(order, item, news)
    elif news.falsehood:
        _tell_falsehood(order, item, news.falsehood)
    elif news.resent:
        _tell_of_resending(order, item, news)
    elif news.cleared:
        settle_incident(key=f"{IncidentKind.CONTRADICTION.lower()}:{item.pk}", why=news.cleared)


def _hear_words(order: RedemptionOrder, told: Sequence[tuple[OrderItem, News]]) -> None:
    """Handle messages that carry no progress: a corrected recipient, which is the same for all
    lines, or a note from the desk.
    """
    corrected = [(item, news) for item, news in told if news.recipient]
    if corrected:
        _correct([item for item, _news in corrected], corrected[0][1].recipient)
    hidden = any(item.hides_address for item, _news in corrected)
    for _item, news in told:
        if news.word:
            word = kept(lambda: _("Recipient corrected.")) if hidden else news.word
            OrderEvent.objects.create(
                order=order,
                subject=EventSubject.TOLD,
                by_id=news.by.user_id,
                reason=word[:255],
            )


def _correct(items: Sequence[OrderItem], recipient: Mapping[str, str]) -> None:
    """Write the corrected recipient to lines; to those that hide the address, what the company
    sees of it.
    """
    for hides, seen in ((False, recipient), (True, city_only(recipient))):
        those = [item.pk for item in items if item.hides_address is hides]
        OrderItem.objects.filter(pk__in=those).update(**seen)


def _go_on(order: RedemptionOrder, told: Sequence[tuple[OrderItem, News]]) -> None:
    """Move lines on, and the order with them. One action of a person gives one credit for all
    lines.
    """
    by, reason = told[0][1].by, told[0][1].reason
    if order.status == OrderStatus.CONFIRMED and any(
        news.status != LineStatus.CANCELLED for _item, news in told
    ):
        order.transition(OrderStatus.IN_FULFILLMENT, by=by)
    owed = [(item, item.owed_for(news.lost)) for item, news in told]
    _move_lines(told)
    if waited := [item for item, news in told if news.was]:
        waits.end(waited)
    _keep_returns(told)
    is_open = _write_letters(order, told)
    _credit(order, owed, reason=reason, by=by)
    if any(news.status in SETTLED_LINE for _item, news in told):
        close(order, is_open=is_open)
    _move_stock(told, by=by, reason=reason)


def _credit(
    order: RedemptionOrder, owed: Sequence[tuple[OrderItem, int]], *, reason: str, by: Actor
) -> None:
    """Give back the points of these units of lines, in one credit."""
    units = sum(number for _item, number in owed)
    if units:
        points = sum(number * item.points_per_item for item, number in owed)
        alone = owed[0][0] if len(owed) == 1 else None
        intend_credit(order, points, units=units, item=alone, reason=reason, by=by)


def _move_lines(told: Sequence[tuple[OrderItem, News]]) -> None:
    """Count delivered, lost and returned units, and change all lines with the same result at
    once.
    """
    alike: dict[tuple[Any, ...], list[OrderItem]] = defaultdict(list)
    for item, news in told:
        moves = item.fulfillment_status != news.status
        alike[moves, news.status, news.reason, *_counted(item, news).items()].append(item)
    by = told[0][1].by
    for (moves, status, reason, *counts), items in alike.items():
        counted = dict(counts)
        if moves:
            transition_all(items, status, by=by, reason=reason, **counted)
        elif counted:
            OrderItem.objects.filter(pk__in=[item.pk for item in items]).update(**counted)


def _counted(item: OrderItem, news: News) -> dict[str, int]:
    """The unit columns that the news changes. Of lost units whose points were given back before,
    it is only written that they are not supplied now.
    """
    if not (news.delivered or news.lost or news.returned):
        return {}
    owed = item.owed_for(news.lost)
    counts = {
        "quantity_delivered": item.quantity_delivered + news.delivered,
        "quantity_refunded": item.quantity_refunded + owed,
    }
    if news.lost > owed:
        counts["quantity_credited"] = item.quantity_credited - (news.lost - owed)
    if news.returned:
        counts["quantity_returned"] = item.quantity_returned + news.returned
    return counts


def _keep_returns(told: Sequence[tuple[OrderItem, News]]) -> None:
    """Write down what came back, for people to decide about its points."""
    for item, news in told:
        if news.returned:
            LineReturn.objects.create(
                item=item,
                units=news.returned,
                to=ReturnedTo.WRITTEN_OFF if news.written_off else ReturnedTo.STOCK,
                reason=news.reason[:255],
                recorded_by_id=news.by.user_id,
            )
            came_back = kept(lambda: _("%(n)s of %(all)s came back: %(why)s"))
            words = {"n": news.returned, "all": item.quantity, "why": news.reason}
            OrderEvent.objects.create(
                order_id=item.order_id,
                item=item,
                subject=EventSubject.NOTE,
                by_id=news.by.user_id,
                reason=(came_back % words)[:255],
            )


def _write_letters(order: RedemptionOrder, told: Sequence[tuple[OrderItem, News]]) -> bool | None:
    """Tell the buyer: in a letter for each occasion, or in a digest when the order has more lines.
    Returns what `gather` says about open lines, None when it was not asked.
    """
    items = [item for item, _news in told]
    in_one = len(told) == 1 or "shipment" in told[0][1].facts
    if in_one and not is_part(order, *items):
        write_letters(list(_letters(order, told)))
    elif any(each.shipped or each.delivered or each.lost or each.returned for _item, each in told):
        return gather(order)
    return None


def _letters(order: RedemptionOrder, told: Sequence[tuple[OrderItem, News]]) -> Iterator[Letter]:
    """The letters about one line, or about one parcel with all lines of the order."""
    item, news = told[0]
    # Of a parcel of several lines a version before 0.3 tells the first one.
    units = {str(each.pk): one.shipped or one.delivered for each, one in told}
    several = {"units": units} if len(told) > 1 else {}
    if news.shipped:
        yield new_letter(
            order,
            LetterKind.SHIPPED,
            occasion=news.facts["shipment"],
            item=item,
            quantity=news.shipped,
            **several,
            **news.facts,
        )
    if news.delivered:
        yield new_letter(
            order,
            LetterKind.DELIVERED,
            occasion=news.facts.get("shipment", item.id),
            item=item,
            quantity=news.delivered,
            elsewhere=news.elsewhere,
            **several,
        )


def _put_right(order: RedemptionOrder, item: OrderItem, news: News) -> None:
    """Two people found that the line was settled wrongly: give back what is owed. The order has
    ended and keeps its status; the stock does not change, since no piece moved.
    """
    lost = max(0, -news.righted)
    owed = item.owed_for(lost)
    item.quantity_delivered += news.righted
    item.quantity_refunded += owed - max(0, news.righted)
    item.quantity_credited -= lost - owed
    item.save(update_fields=["quantity_delivered", "quantity_refunded", "quantity_credited"])
    if item.fulfillment_status != news.status:
        item.transition(news.status, by=news.by, reason=news.reason)
    _credit(order, [(item, owed)], reason=news.reason, by=news.by)


def _tell_of_resending(order: RedemptionOrder, item: OrderItem, news: News) -> None:
    """Tell whoever ordered when the partner could not send the codes again, as an earlier letter
    had said that it would.
    """
    asked = order.letters.filter(key=f"{LetterKind.RESENT}:{news.facts['call']}").first()
    if asked is not None and news.resent != Resent.SENT:
        facts = {**asked.facts, "outcome": news.resent}
        occasion = f"{news.facts['call']}:{news.resent}"
        write_letters([new_letter(order, LetterKind.RESENT, occasion=occasion, item=item, **facts)])


def _tell_falsehood(order: RedemptionOrder, item: OrderItem, what: str) -> None:
    """Raise an incident about callbacks that the partner's own answer contradicts. Do not flag the
    order: the callbacks had no effect.
    """
    raise_incident(
        kind=IncidentKind.PUZZLING_CALLBACK,
        key=f"puzzling_callback:{item.pk}",
        what=f"{order.order_number}: {what}",
        order=order,
        facts={"line": str(item.pk)},
    )


def _move_stock(told: Sequence[tuple[OrderItem, News]], *, by: Actor, reason: str) -> None:
    """Change the lines' stock. This comes last in a transaction, because others wait for stock
    rows.
    """
    stocked = [(item, news) for item, news in told if item.holds_stock]
    for item, news in sorted(stocked, key=lambda each: (each[0].product_id, each[0].pk)):
        if news.consumed:
            stock.consume(want=Want(item.product_id, news.consumed, item.pk), by=by)
        if news.returned > news.written_off:
            again = Want(item.product_id, news.returned - news.written_off, item.pk)
            stock.take_back(want=again, reason=reason, by=by)
    for gone in (False, True):
        lost = {item.id: news.lost for item, news in stocked if news.lost and news.gone == gone}
        if lost:
            stock.release(pieces=lost, by=by, reason=reason, gone=gone)
