"""The text of a digest, made from the rows when it is sent: what happened, in groups."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from fulfillment.models import Channel, Fulfillment, Shipment
from loyalty_portal.data.texts.kept import retold
from loyalty_portal.data.texts.numbers import grouped
from redemption.messages.digests import Units
from redemption.models import Letter, LineReturn, LoyaltyTransaction, OrderItem, RedemptionOrder
from redemption.models.badges import FOR_A_PERSON, LineCounts, end_told
from redemption.states import LineStatus, OrderStatus, TransactionStatus

MOST_LINES = 10  # lines that a letter names; in a digest its groups share them


@dataclass(frozen=True, slots=True)
class LineTold:
    """One line in a digest: `what` for `who`, and its parcels on their way, or a reason."""

    what: str
    who: str
    detail: str = ""
    parcels: Sequence[Shipment] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """What happened to some lines. `more` lines are not named."""

    title: str
    notes: Sequence[str] = ()
    lines: Sequence[LineTold] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class DigestText:
    """What the templates say. `subject` follows the order's number."""

    subject: str
    intro: str
    groups: Sequence[Group] = ()
    by_mail: bool = False  # whether codes went to recipients


@dataclass(frozen=True)
class _Found:
    """The rows that a digest is made from. `units`: those that it tells of, by the line's id."""

    order: RedemptionOrder
    items: Sequence[OrderItem]
    transactions: Sequence[LoyaltyTransaction]
    parcels: Mapping[Any, Fulfillment]
    units: Mapping[str, Units]
    whole: bool
    back: int  # points
    returns: Mapping[Any, str]  # why units came back, by the line's id

    def of(self, item: OrderItem) -> Units:
        return self.units.get(str(item.pk), Units())


class _Part(NamedTuple):
    item: OrderItem
    units: int


class _Kind(NamedTuple):
    """A group in the making."""

    title: str
    parts: Sequence[_Part]
    status: str = ""  # of lines that were lost


def digest_text(
    letter: Letter, items: Sequence[OrderItem], transactions: Sequence[LoyaltyTransaction]
) -> DigestText:
    """The text of a closed digest. Two queries, for any number of lines; one more if some came
    back.
    """
    order: RedemptionOrder = letter.order
    rows = Fulfillment.objects.filter(reference__in=[item.pk for item in items])
    parcels = {row.reference: row for row in rows.prefetch_related("shipments")}
    whole = bool(letter.facts.get("whole"))
    told = {key: Units(*units) for key, units in letter.facts.get("lines", {}).items()}
    found = _Found(
        order,
        items,
        transactions,
        parcels,
        {str(item.pk): _whole(item) for item in items} if whole else told,
        whole,
        0 if whole else letter.facts.get("back", 0),
        _why_returned(items),
    )
    kinds = list(_kinds(found))
    most = max(MOST_LINES // len(kinds), 3) if kinds else 0
    groups = [_group(found, kind, most) for kind in kinds]
    if points := _back_otherwise(found, kinds):
        groups.append(Group(_back(found, points)))
    subject, intro = _head(found, groups)
    by_mail = any(found.of(item).delivered and _is_virtual(found, item) for item in found.items)
    return DigestText(subject, intro, groups, by_mail)


def _why_returned(items: Sequence[OrderItem]) -> dict[Any, str]:
    """The reason of each line's newest return."""
    lines = [item.pk for item in items if item.quantity_returned]
    returns = LineReturn.objects.filter(item__in=lines).order_by("recorded_at")
    return dict(returns.values_list("item", "reason")) if lines else {}


def _whole(item: OrderItem) -> Units:
    """The units of a line of an order that has ended."""
    undelivered = item.quantity - item.quantity_delivered
    lost = max(item.quantity_failed, undelivered)
    return Units(0, item.quantity_delivered, lost, item.quantity_returned)


def _head(found: _Found, groups: Sequence[Group]) -> tuple[str, str]:
    if found.whole and found.order.status == OrderStatus.CANCELLED:
        told = _(
            "Nothing will be delivered, and nothing is owed: points that were taken for it are "
            "back in %(company)s’s account."
        )
        return end_told(LineCounts.of(found.items)), told % {"company": found.order.company.name}
    if found.whole:
        subject = _("is complete: %(what)s") % {"what": _delivered_of_all(found)}
        return subject, _("Nothing more will be sent.")
    if any(units.delivered > 0 for units in found.units.values()):
        what = _delivered_of_all(found)
    else:
        what = groups[0].title
    return _("has news: %(what)s") % {"what": what}, _("What happened since we last wrote:")


# --- The groups --------------------------------------------------------------------------------


def _kinds(found: _Found) -> Iterator[_Kind]:
    came = _parts(found, lambda item: found.of(item).delivered)
    if came:
        yield _Kind(_delivered_title(found, came), came)
    under_way = _parts(found, lambda item: _under_way(found, item))
    if under_way:
        yield _Kind(_on_the_way(_pieces(under_way)), under_way)
    lost: dict[str, list[_Part]] = defaultdict(list)
    for part in _parts(found, lambda item: found.of(item).lost):
        lost[_lost_as(part.item)].append(part)
    for status, parts in lost.items():
        yield _Kind(_lost_title(status, _pieces(parts)), parts, status)
    came_back = _parts(found, lambda item: found.of(item).returned)
    if came_back:
        status = LineStatus.RETURNED
        yield _Kind(_lost_title(status, _pieces(came_back)), came_back, status)


def _parts(found: _Found, count: Any) -> list[_Part]:
    return [_Part(item, units) for item in found.items if (units := count(item)) > 0]


def _pieces(parts: Sequence[_Part]) -> int:
    return sum(part.units for part in parts)


def _under_way(found: _Found, item: OrderItem) -> int:
    """Units that the digest tells were shipped, without those that it tells arrived."""
    units, parcel = found.of(item), found.parcels.get(item.pk)
    if not units.delivered or parcel is None:
        return units.shipped
    return min(units.shipped, parcel.quantity_shipped - item.quantity_delivered)


def _lost_as(item: OrderItem) -> str:
    """The final status of units that were not supplied: FAILED or CANCELLED."""
    cancelled = item.fulfillment_status == LineStatus.CANCELLED
    return LineStatus.CANCELLED if cancelled else LineStatus.FAILED


def _delivered_of_all(found: _Found) -> str:
    every = sum(item.quantity for item in found.items)
    came = sum(item.quantity_delivered for item in found.items)
    text = ngettext(
        "%(came)s of %(all)s piece delivered", "%(came)s of %(all)s pieces delivered", every
    )
    return text % {"came": grouped(came), "all": grouped(every)}


def _delivered_title(found: _Found, came: Sequence[_Part]) -> str:
    now, so_far = _pieces(came), sum(item.quantity_delivered for item in found.items)
    if now == so_far:
        return _delivered_of_all(found)
    text = ngettext(
        "%(now)s more piece delivered, %(came)s of %(all)s so far",
        "%(now)s more pieces delivered, %(came)s of %(all)s so far",
        now,
    )
    every = sum(item.quantity for item in found.items)
    return text % {"now": grouped(now), "came": grouped(so_far), "all": grouped(every)}


def _on_the_way(pieces: int) -> str:
    text = ngettext("%(pieces)s piece is on its way", "%(pieces)s pieces are on their way", pieces)
    return text % {"pieces": grouped(pieces)}


def _lost_title(status: str, pieces: int) -> str:
    if status == LineStatus.CANCELLED:
        text = ngettext("%(pieces)s piece cancelled", "%(pieces)s pieces cancelled", pieces)
    elif status == LineStatus.RETURNED:
        text = ngettext("%(pieces)s piece came back", "%(pieces)s pieces came back", pieces)
    else:
        text = ngettext(
            "%(pieces)s piece could not be supplied",
            "%(pieces)s pieces could not be supplied",
            pieces,
        )
    return text % {"pieces": grouped(pieces)}


def _group(found: _Found, kind: _Kind, most: int) -> Group:
    named = kind.parts[:most]
    reasons: dict[Any, str] = {}
    notes = []
    if kind.status:
        notes.append(_where_points_are(found, kind))
        reasons = {part.item.pk: _reason(found, part.item, kind.status) for part in kind.parts}
        if len(set(reasons.values())) == 1:  # one reason for all is said once
            reason = next(iter(reasons.values()))
            notes.append(_("Why: %(reason)s") % {"reason": reason} if reason else "")
            reasons = {}
    lines = [
        LineTold(
            f"{grouped(part.units)} × {part.item.product_name}",
            _who(found, part.item),
            reasons.get(part.item.pk, ""),
            () if kind.status else _under_way_of(found, part.item),
        )
        for part in named
    ]
    return Group(kind.title, [note for note in notes if note], lines, len(kind.parts) - len(named))


def _who(found: _Found, item: OrderItem) -> str:
    who = _("for %(who)s") % {"who": item.recipient_name}
    by_mail = _is_virtual(found, item) and item.recipient_email
    return f"{who}, {item.recipient_email}" if by_mail else who


def _is_virtual(found: _Found, item: OrderItem) -> bool:
    parcel = found.parcels.get(item.pk)
    return parcel is not None and parcel.channel == Channel.PARTNER


def _under_way_of(found: _Found, item: OrderItem) -> list[Shipment]:
    """The parcels of the line that are still on their way."""
    parcel = found.parcels.get(item.pk)
    sent = parcel.shipments.all() if parcel else ()
    return [shipment for shipment in sent if shipment.delivered_at is None]


# --- The points ----------------------------------------------------------------------------------

_POINTS_COMING = ngettext_lazy(
    "Its %(points)s points are coming back.", "Their %(points)s points are coming back.", "pieces"
)
_POINTS_BACK = ngettext_lazy(
    "Its %(points)s points are back.", "Their %(points)s points are back.", "pieces"
)
_POINTS_BACK_IN_PART = ngettext_lazy(
    "%(back)s of its %(points)s points are back; the others are coming.",
    "%(back)s of their %(points)s points are back; the others are coming.",
    "pieces",
)
_POINTS_STUCK = ngettext_lazy(
    "Its %(points)s points are not back yet; a person is seeing to it.",
    "Their %(points)s points are not back yet; a person is seeing to it.",
    "pieces",
)


def _credits(found: _Found, parts: Sequence[_Part], status: str) -> list[LoyaltyTransaction]:
    """The credits for these lines. One without a line is for lines that were cancelled together."""
    lines: set[Any] = {part.item.pk for part in parts}
    if status == LineStatus.CANCELLED:
        lines.add(None)
    return [each for each in found.transactions if not each.is_debit and each.item_id in lines]


def _reason(found: _Found, item: OrderItem, status: str) -> str:
    """Why the points of a line go back, as the newest credit says it; or why units came back."""
    if status == LineStatus.RETURNED:
        return retold(found.returns.get(item.pk, ""))
    credits_given = _credits(found, [_Part(item, 0)], status)
    reason = retold(next((credit.reason for credit in reversed(credits_given)), ""))
    return "" if reason == _("Cancelled") else reason  # that is said already


def _where_points_are(found: _Found, kind: _Kind) -> str:
    if kind.status == LineStatus.RETURNED:
        undecided = any(not part.item.quantity_credited for part in kind.parts)
        return _("The programme decides about the points.") if undecided else ""
    owed = _credits(found, kind.parts, kind.status)
    known = {each.status for each in owed}
    if not known:
        return ""
    text = _POINTS_COMING
    if known & FOR_A_PERSON:
        text = _POINTS_STUCK
    elif known == {TransactionStatus.SUCCEEDED}:
        text = _POINTS_BACK
    elif TransactionStatus.SUCCEEDED in known:
        text = _POINTS_BACK_IN_PART
    back = sum(each.points_amount for each in owed if each.status == TransactionStatus.SUCCEEDED)
    points = _points(kind.parts)
    told = {"points": grouped(points), "back": grouped(min(back, points))}
    return str(text % {**told, "pieces": _pieces(kind.parts)})


def _points(parts: Sequence[_Part]) -> int:
    return sum(part.units * part.item.points_per_item for part in parts)


def _back_otherwise(found: _Found, kinds: Sequence[_Kind]) -> int:
    """Points refunded for lines that an earlier digest reported."""
    done = {TransactionStatus.SUCCEEDED}
    told = sum(
        _points(kind.parts)
        for kind in kinds
        if kind.status
        and kind.status != LineStatus.RETURNED
        and {each.status for each in _credits(found, kind.parts, kind.status)} == done
    )
    return max(0, found.back - told)


def _back(found: _Found, points: int) -> str:
    text = ngettext(
        "%(points)s point is back in %(company)s’s account",
        "%(points)s points are back in %(company)s’s account",
        points,
    )
    return text % {"points": grouped(points), "company": found.order.company.name}
