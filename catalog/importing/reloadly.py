"""Reads Reloadly's gift-card products, as its API lists them. Each value of a card is a product.

A card with fixed values becomes a family of those values; a card with a range of values becomes a
family of round values. Cards with the same name for different countries join one family. Points
follow the card's cost in the sender's currency, without fees and discounts.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from catalog.importing.documents import load
from catalog.importing.records import NOT_OF_SHOPS, Found, ImportFileError, Record, RowError, Terms
from catalog.importing.texts import plain, rich
from catalog.importing.values import MOST
from catalog.models import ProductType
from catalog.services import ProductData
from catalog.texts.words import slug_of

CATEGORY = "Gift cards"
MOST_VALUES = 8  # the most products made from a card with a range of values
STEPS = (Decimal(1), Decimal("2.5"), Decimal(5))


class _CardError(Exception):
    """An error in one card: the field and the message."""


def fits(document: object) -> bool:
    cards = _cards(document)
    return bool(cards) and isinstance(cards[0], dict) and "denominationType" in cards[0]


def _cards(document: Any) -> list[Any]:
    cards = document.get("content") if isinstance(document, dict) else document
    return cards if isinstance(cards, list) else []


def read(path: Path, terms: Terms) -> Found:
    """Read each value of each card as a virtual product; `row` is the card's place in the list."""
    document = load(path)
    if not fits(document):
        raise ImportFileError("This is not a page of Reloadly's gift cards.")
    cards = _cards(document)
    names = Counter(_name(card) for card in cards)
    for number, card in enumerate(cards, start=1):
        try:
            yield from _products(number, card, shared=names[_name(card)] > 1, terms=terms)
        except _CardError as error:
            field, text = error.args
            yield RowError(number, field, text)


def _name(card: Any) -> str:
    name = card.get("productName") if isinstance(card, dict) else None
    return plain(name)[:180] if isinstance(name, str) else ""


def _products(number: int, card: dict[str, Any], *, shared: bool, terms: Terms) -> Iterator[Record]:
    name = _name(card)
    identity = card.get("productId") if name else None
    if not isinstance(identity, int):
        raise _CardError("productName" if not name else "productId", "is missing")
    values = list(_values(card))
    currency = _text(card, "recipientCurrencyCode")
    country = _text(card.get("country"), "name") if shared else ""
    code = f"reloadly-{slug_of(name)}" if shared else f"reloadly-{identity}"
    in_family = shared or len(values) > 1
    for value, price in values:
        variant = ", ".join(filter(None, (country, f"{_shown(value)} {currency}".strip())))
        points = terms.points(price)
        if points > MOST:
            raise _CardError("price", f"{price} is more than {MOST:,} points")
        data = ProductData(
            sku=f"RELOADLY-{identity}-{_shown(value)}",
            name=f"{name}, {variant}"[:255],
            product_type=ProductType.VIRTUAL,
            points_cost=points,
            category=CATEGORY,
            category_motif="Gift cards",
            description=_description(card),
            brand=_text(card.get("brand"), "brandName")[:120],
            family=code[:120] if in_family else "",
            family_name=name if in_family else "",
            variant=variant[:120] if in_family else "",
            image_url=_picture(card),
            source=f"reloadly:{identity}",
            unsaid=(*NOT_OF_SHOPS, "family_options", "variant_position", "is_active"),
        )
        yield Record(number, data)


def _values(card: dict[str, Any]) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield pairs: a value in the recipient's currency, and its cost in the sender's currency."""
    if card.get("denominationType") == "RANGE":
        low, high = (
            _number(card, "minRecipientDenomination"),
            _number(card, "maxRecipientDenomination"),
        )
        if low > high:
            raise _CardError("minRecipientDenomination", f"{low} is above the maximum, {high}")
        for value in round_values(low, high):
            yield value, value * _rate(card, low)
        return
    fixed = card.get("fixedRecipientDenominations")
    if not isinstance(fixed, list) or not fixed:
        raise _CardError("fixedRecipientDenominations", "is missing")
    prices = card.get("fixedRecipientToSenderDenominationsMap") or {}
    for one in fixed:
        value = _decimal(one, "fixedRecipientDenominations")
        price = next((prices[key] for key in prices if _same(key, value)), None)
        if price is not None:
            yield value, _decimal(price, "fixedRecipientToSenderDenominationsMap")
        else:
            yield value, value * _rate(card, None)


def _rate(card: dict[str, Any], low: Decimal | None) -> Decimal:
    """The cost in the sender's currency of one unit of the recipient's currency."""
    sender, recipient = _text(card, "senderCurrencyCode"), _text(card, "recipientCurrencyCode")
    if low is not None and card.get("minSenderDenomination") is not None:
        return _number(card, "minSenderDenomination") / low
    if sender and sender == recipient:
        return Decimal(1)
    raise _CardError(
        "price", f"none is given in {sender or 'the sender’s currency'}, only {recipient}"
    )


def round_values(low: Decimal, high: Decimal) -> list[Decimal]:
    """Choose up to MOST_VALUES round whole values (1, 2.5, 5, 10, 25 …) between two limits.

    Returns the two limits themselves when no round value lies between them.
    """
    values: list[Decimal] = []
    power = Decimal(1)
    while power <= high:
        values += [step * power for step in STEPS if low <= step * power <= high]
        power *= 10
    values = [value for value in values if value == int(value)] or sorted({low, high})
    if len(values) <= MOST_VALUES:
        return values
    spread = (len(values) - 1) / (MOST_VALUES - 1)
    return [values[round(place * spread)] for place in range(MOST_VALUES)]


def _decimal(value: object, field: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal(0)
    if isinstance(value, bool) or not number.is_finite() or number <= 0:
        raise _CardError(field, f"{str(value)[:40]!r} is not a number above 0")
    return number


def _number(card: dict[str, Any], field: str) -> Decimal:
    return _decimal(card.get(field), field)


def _same(key: str, value: Decimal) -> bool:
    try:
        return Decimal(key) == value
    except InvalidOperation:
        return False


def _shown(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _text(holder: object, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return plain(value) if isinstance(value, str) else ""


def _description(card: dict[str, Any]) -> str:
    said = card.get("redeemInstruction")
    texts = [said.get(part) for part in ("concise", "verbose")] if isinstance(said, dict) else []
    return rich("\n\n".join(dict.fromkeys(text for text in texts if isinstance(text, str))))


def _picture(card: dict[str, Any]) -> str:
    pictures = card.get("logoUrls")
    first = pictures[0] if isinstance(pictures, list) and pictures else ""
    return first[:500] if isinstance(first, str) else ""
