"""Every page while Redis is unavailable. The pages are listed from the URL patterns."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import URLPattern, get_resolver

from catalog.models import Product
from tests.redemption.world import World
from tests.support.orders.full_house import FullHouse
from tests.support.redis_away import SilentServer, broker_at, cache_at, forget_it_was_away

NOBODY_LISTENS = "redis://127.0.0.1:9/0"
# addresses for probes: they test Redis itself
PROBES = {"/readyz": 3}
KEPT = ("/brand.css", "/catalog/artwork/")  # cacheable: the same for everybody
MACHINES = ("/webhooks/", "/api/")


@pytest.fixture
def house(world: World) -> FullHouse:
    return FullHouse.build(world)


def addresses(house: FullHouse) -> Iterator[str]:
    """Each address of the portal and the admin, filled in for existing objects."""
    for pattern, ancestors in _patterns(get_resolver().url_patterns, ()):
        parts = [*ancestors, pattern.pattern]
        names = {name for part in parts for name in part.regex.groupindex}
        path = _filled("".join(map(str, parts)), names, house)
        yield f"/{path}"


def _patterns(
    found: list[Any], above: tuple[Any, ...]
) -> Iterator[tuple[URLPattern, tuple[Any, ...]]]:
    for one in found:
        if isinstance(one, URLPattern):
            yield one, above
        else:
            yield from _patterns(one.url_patterns, (*above, one.pattern))


def _filled(path: str, names: Any, house: FullHouse) -> str:
    known = {
        "number": house.delivered.order_number,
        "item_id": house.delivered.items.get().pk,
        "product_id": house.mug.pk,
        "address_id": uuid.uuid4(),  # unknown: 404 with and without Redis
        "slug": house.mug.slug,
        "object_id": house.mug.pk if path.startswith("admin/r/") else _row(path),
        "id": house.buyer.user_id,
        "pk": 0,  # no passkey: 404 with and without Redis
        "verb": "claim",
        "what": "changed",
        "how": "statement",
        "key": "nonsense",
        "uidb36": "0",
        "content_type_id": ContentType.objects.get_for_model(Product).pk,
        "app_label": "catalog",
        "url": "nothing-of-the-kind/",
        "digest": "0" * 40,
        "side": "320",
        "kind": "pick-list",
        "name": "redeemed",
        "table": "days",
        "form": "csv",
        "way": "receive",
        "token": "no-such-link",
        "invitation_id": uuid.uuid4(),
        "session_id": uuid.uuid4(),  # nobody's
        "stock_id": uuid.uuid4(),
        "seat_id": uuid.uuid4(),
        "order": house.delivered.order_number,
        "sku": house.mug.sku,
        "line_id": uuid.uuid4(),
        "transaction_id": uuid.uuid4(),
        "key_id": uuid.uuid4(),
        "code": "invalid",
        "endpoint_id": uuid.uuid4(),
        "member_id": uuid.uuid4(),
        "bulk_id": uuid.uuid4(),
        "stand_in_id": uuid.uuid4(),
        "list_id": uuid.uuid4(),
        "ask_id": uuid.uuid4(),
    }
    for name in names:
        path = _replaced(path, name, str(known[name]))
    return path.replace("^", "").replace("$", "").replace("\\.", ".")


def _replaced(path: str, name: str, value: str) -> str:
    """Replace `<uuid:name>`, `<name>` or `(?P<name>…)` in a pattern."""
    return re.sub(rf"\(\?P<{name}>[^)]*\)|<(\w+:)?{name}>", value, path)


def _row(path: str) -> object:
    """The id of a row of the model that this admin page is about, if there is one."""
    room, model = [*path.removeprefix("admin/").split("/"), ""][:2]
    rows = apps.all_models.get(room, {}).get(model)
    return (rows and rows._default_manager.values_list("pk", flat=True).first()) or uuid.uuid4()


def seen(client: Client, path: str) -> tuple[int, str, str]:
    """The status, the redirect, and the cache rules."""
    answer = client.get(path)
    return answer.status_code, answer.get("Location", ""), answer.get("Cache-Control", "")


@pytest.mark.long
def test_every_page_is_shown_as_ever_and_waits_for_redis_once(
    house: FullHouse, settings: Any
) -> None:
    """A frozen Redis accepts connections and never answers; a page waits for it at most once."""
    paths = sorted(set(addresses(house)))
    owner, stranger = house.browser(), Client()
    walk = [(owner, path) for path in paths]
    walk += [(stranger, path) for path in paths if not path.startswith("/admin/")]
    usual = [seen(client, path) for client, path in walk]
    assert sum(status == 200 for status, *_more in usual) > 100
    assert max(status for status, *_more in usual) < 500

    silent = SilentServer()
    settings.REDIS_URL = settings.BROKER_URL = silent.url
    settings.REDIS_TIMEOUT = 0.05
    with cache_at(settings, silent.url, patience=0.05), broker_at(silent.url, patience=0.05):
        for (client, path), before in zip(walk, usual, strict=True):
            forget_it_was_away()
            assert seen(client, path) == before, path
            assert silent.visits() <= PROBES.get(path, 1), path
    silent.close()


def test_every_page_is_shown_as_ever_without_redis(house: FullHouse, settings: Any) -> None:
    """With a stopped Redis no connection is accepted. No personal page may be cached by a
    browser.
    """
    owner = house.browser()
    paths = sorted(set(addresses(house)))
    usual = [seen(owner, path) for path in paths]
    settings.REDIS_URL = settings.BROKER_URL = NOBODY_LISTENS
    with cache_at(settings, NOBODY_LISTENS), broker_at(NOBODY_LISTENS):
        for path, before in zip(paths, usual, strict=True):
            assert seen(owner, path) == before, path
    for path, (_status, _where, kept) in zip(paths, usual, strict=True):
        assert "no-store" in kept or path.startswith(KEPT + MACHINES), path
