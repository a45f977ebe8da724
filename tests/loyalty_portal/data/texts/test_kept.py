"""Stored sentences are English, whoever made them, and each reader gets them in their language."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import gettext, override

from accounts.models import AccountManager
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts import kept as module
from loyalty_portal.data.texts.kept import kept, retold
from loyalty_portal.data.texts.numbers import grouped
from redemption.orders.actions.cancelling import cancel
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import placed

CATALOGUE = {
    "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n",
    "Approved": "Freigegeben",
    "More than %(threshold)s points need approval.": "Mehr als %(threshold)s Punkte.",
    "Confirmed: %(verdict)s.": "Bestätigt: %(verdict)s.",
    "%(n)s of %(all)s came back: %(why)s": "%(n)s von %(all)s kamen zurück: %(why)s",
    "%(n)s and %(n)s again": "%(n)s und nochmals %(n)s",
    "%(n)s piece cancelled\0%(n)s pieces cancelled": "%(n)s Stück weg\0%(n)s Stücke weg",
    "%(n)s left": "%(n)s übrig",
    "date\x04Sent then": "Damals gesendet",
}


def compiled(texts: dict[str, str]) -> bytes:
    """A catalogue as msgfmt writes it."""
    pairs = sorted((text.encode(), said.encode()) for text, said in texts.items())
    head = 28 + 16 * len(pairs)
    keys: list[int] = []
    values: list[int] = []
    body = b""
    for table, side in ((keys, 0), (values, 1)):
        for pair in pairs:
            table += [len(pair[side]), head + len(body)]
            body += pair[side] + b"\0"
    numbers = [0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0, *keys, *values]
    return struct.pack(f"<{len(numbers)}I", *numbers) + body


@pytest.fixture
def german(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Read in German, with a small catalogue."""
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.mo").write_bytes(compiled(CATALOGUE))
    settings.LOCALE_PATHS = [tmp_path]
    caches = (module._catalogue, module._retold)
    for cached in caches:
        cached.cache_clear()
    with override("de"):
        yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("Approved", "Freigegeben"),
        ("More than 5,000 points need approval.", "Mehr als 5.000 Punkte."),
        ("Confirmed: Approved.", "Bestätigt: Freigegeben."),
        ("2 of 1,200 came back: torn, in rain", "2 von 1.200 kamen zurück: torn, in rain"),
        ("3 and 3 again", "3 und nochmals 3"),
        ("3 and 4 again", "3 and 4 again"),
        ("1 piece cancelled", "1 Stück weg"),
        ("7 pieces cancelled", "7 Stücke weg"),
        ("Sent then", "Damals gesendet"),
        ("nothing left", "nothing left"),  # typed; “left” alone is too short to tell it from ours
        ("Zu spät bestellt", "Zu spät bestellt"),
        ("", ""),
    ],
)
def test_a_stored_sentence_is_told_in_the_readers_language(
    german: None, stored: str, told: str
) -> None:
    assert retold(stored) == told
    with override("en"):
        assert retold(stored) == stored


def test_a_sentence_is_stored_in_english_with_its_numbers() -> None:
    with override("de"):
        assert kept(lambda: f"{gettext('Yes')}, {grouped(5_000)}") == "Yes, 5,000"
        assert gettext("Yes") == "Ja"


@pytest.mark.django_db
def test_what_a_german_reader_does_is_stored_in_english() -> None:
    seat: AccountManager = SeatFactory.create(user__name="Mara", user__language="de")
    order = placed(seat, (ProductFactory.create(points_cost=4_500), 1))
    with override("de"):
        cancel(order=order, by=Actor.in_seat(seat), reason="")
    assert "Cancelled by Mara" in set(order.events.values_list("reason", flat=True))
