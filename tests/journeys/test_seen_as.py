"""Every page of the portal, seen as a seat: what its person sees, under a banner, and no more."""

import pytest

from accounts.models import AccountManager, Role
from catalog.models import ProductView
from redemption.models import OrderEvent
from tests.accounts.seats.see_as.test_see_as import BANNER, looking, shown, text
from tests.journeys.test_pages_without_redis import addresses
from tests.redemption.factories import fill_cart
from tests.redemption.world import World
from tests.support.orders.full_house import FullHouse

# No pages of a seat: the API knows no session, and the parts at /ui/ show rows that are made anew
# each time.
OWN = ("/see-as/end/", "/webhooks/", "/healthz", "/readyz", "/ui/", "/api/")
pytestmark = pytest.mark.both_ways


@pytest.fixture
def house(world: World) -> FullHouse:
    return FullHouse.build(world)


def test_each_address_shows_what_its_person_sees_and_takes_no_form(
    house: FullHouse, client_for: object
) -> None:
    seat: AccountManager = house.world.new_seat(Role.OWNER)
    fill_cart(seat, (house.mug, 2))
    own, client = client_for(seat), looking(seat)  # type: ignore[operator]
    paths = [path for path in sorted(set(addresses(house))) if not path.startswith("/admin/")]
    portal = [path for path in paths if not path.startswith(("/accounts/", *OWN))]
    marked = 0
    for path in portal:
        seen = client.get(path)
        mine = own.get(path)
        assert (seen.status_code, seen.get("Location")) == (mine.status_code, mine.get("Location"))
        if seen["Content-Type"].startswith("text/html") and "<html" in text(seen):
            assert shown(text(seen)) == shown(text(mine)), path
            assert BANNER.search(text(seen)), path
            assert "seen-as" not in text(mine), path
            marked += 1
    assert marked > 10
    views, events = ProductView.objects.exclude(seat=seat).count(), OrderEvent.objects.count()
    for path in paths:
        if path.startswith(OWN) or path == "/accounts/logout/":
            continue
        assert client.post(path).status_code == 403, path
    assert "Nothing was changed" in text(client.post("/cart/add/"))
    assert (ProductView.objects.exclude(seat=seat).count(), OrderEvent.objects.count()) == (
        views, events,
    )  # fmt: skip
