"""Exact times on every page of the portal and of the back office."""

import re

import pytest

from tests.journeys.test_pages_without_redis import addresses
from tests.redemption.world import World
from tests.support.orders.full_house import FullHouse

A_TIME = re.compile(r"\b\d{1,2}:\d\d(?::\d\d)?\b.{0,12}", re.DOTALL)
WITH_ITS_ZONE = re.compile(r"[\d:]+ UTC(?!.*UTC)", re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_every_exact_time_says_its_zone_once(world: World) -> None:
    house = FullHouse.build(world)
    client = house.browser()
    told: dict[str, list[str]] = {}
    for path in sorted(set(addresses(house))):
        answer = client.get(path)
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            words = re.sub(r"<(script|style).*?</\1>|<[^>]*>", "\n", answer.content.decode())
            told[path] = [found.strip() for found in A_TIME.findall(words)]
    assert sum(map(len, told.values())) > 30
    bare = {
        path: wrong
        for path, times in told.items()
        if (wrong := [time for time in times if not WITH_ITS_ZONE.match(time)])
    }
    assert bare == {}
