"""Every main button works while Redis is frozen or stopped, and waits for it only once."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.selectors import SEAT_KEY
from fulfillment.models import Fulfillment
from loyalty_portal.celery import nudge
from redemption.models import Callback, RedemptionOrder, TransactionType
from redemption.saga import tasks
from redemption.states import IncidentStatus, OrderStatus
from tests.accounts.access.making import new_key
from tests.accounts.second_factor import code_of
from tests.loyalty_portal.api.calls import Calls
from tests.redemption.factories import checkout_form, paid, placed
from tests.redemption.saga.test_webhooks import body, signed
from tests.redemption.world import RECIPIENT, World
from tests.support.orders.full_house import PASSWORD, FullHouse
from tests.support.redis_away import WAYS, SilentServer, broker_at, cache_at, forget_it_was_away

NOBODY_LISTENS = "redis://127.0.0.1:9/0"
WAITS = 2  # failed connections for one button: one for the cache, one for the broker


class Counter:
    """Presses buttons, each time as a process that does not know yet that Redis is down."""

    def __init__(self, client: Client, silent: SilentServer) -> None:
        self._client = client
        self._silent = silent

    def press(self, path: str, form: dict[str, Any] | bytes | None = None, **more: Any) -> Any:
        forget_it_was_away()
        self._silent.visits()  # not counting the test's own connections
        answer = self._client.post(path, form or {}, **more)
        assert answer.status_code < 400, (path, answer.status_code, answer.content.decode()[:2000])
        assert self._silent.visits() <= WAITS, path
        return answer


@pytest.fixture(params=WAYS)
def away(request: pytest.FixtureRequest, settings: Any) -> Iterator[SilentServer]:
    """Redis is unavailable as cache and as broker."""
    silent = SilentServer()
    url = silent.url if request.param == "frozen" else NOBODY_LISTENS
    with cache_at(settings, url, patience=0.05), broker_at(url, patience=0.05):
        yield silent
    silent.close()


@pytest.fixture
def house(world: World) -> FullHouse:
    return FullHouse.build(world)


def status_of(order: RedemptionOrder) -> str:
    return RedemptionOrder.objects.get(pk=order.pk).status


def of(order: RedemptionOrder, what: str, *more: object) -> str:
    return reverse(f"orders:{what}", args=[order.order_number, *more])


def test_people_fill_their_cart_and_redeem(house: FullHouse, away: SilentServer) -> None:
    press = Counter(house.browser(), away).press
    lines = house.owner.cart.lines
    press("/cart/add/", {"product": str(house.card.pk), "quantity": "3"})
    line = lines.get(product=house.card)
    assert line.quantity == 3
    press(f"/cart/{house.card.pk}/change/", {"quantity": "2"})
    line.refresh_from_db()
    assert line.quantity == 2
    press(f"/cart/{house.card.pk}/remove/")
    assert not lines.filter(pk=line.pk).exists()
    placed_at = press("/checkout/", checkout_form(house.owner))["Location"]
    order = RedemptionOrder.objects.latest("created_at")
    assert placed_at == order.get_absolute_url()
    assert order.transactions.get().next_attempt_at is not None  # the sweeper will find it
    press(of(order, "again"))
    assert lines.get().product == house.mug


def test_people_decide_cancel_and_see_their_codes(house: FullHouse, away: SilentServer) -> None:
    second = placed(house.buyer, (house.mug, 7))
    own = paid(house.owner, (house.mug, 1))
    press = Counter(house.browser(), away).press
    press(of(house.waiting, "approve"))
    assert status_of(house.waiting) == OrderStatus.PENDING
    press(of(second, "reject"), {"reason": "Too many"})
    assert status_of(second) == OrderStatus.REJECTED
    press(of(own, "cancel"))
    assert own.transactions.filter(transaction_type=TransactionType.CREDIT).exists()
    item = house.delivered.items.get()
    assert "CODE-1" in press(of(house.delivered, "codes", item.pk)).content.decode()


def test_people_change_seats_and_passwords_and_leave(house: FullHouse, away: SilentServer) -> None:
    client = house.browser()
    press = Counter(client, away).press
    press("/seat/", {"seat": str(house.elsewhere.pk)})
    assert client.session[SEAT_KEY] == str(house.elsewhere.pk)
    new = "a quite other one 9"
    press(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )
    assert client.get("/accounts/password/change/").status_code == 200
    press("/accounts/reauthenticate/", {"password": new})
    press("/accounts/password/reset/", {"email": "nobody@example.test"})
    press("/accounts/logout/")
    assert client.get("/orders/").status_code == 302
    press("/accounts/login/", {"login": house.owner.user.email, "password": new})
    press("/accounts/2fa/authenticate/", {"code": code_of(house.owner.user)})
    assert client.get("/orders/").status_code == 200


def test_a_companys_system_orders_once_and_looks_it_up(
    house: FullHouse, away: SilentServer
) -> None:
    calls = Calls(new_key(house.owner.company))

    def call(method: str, path: str, said: Any = None, **headers: str) -> Any:
        forget_it_was_away()
        away.visits()  # not counting the test's own connections
        answer = calls.call(method, path, said, **headers)
        assert answer.status_code < 400, (path, answer.content.decode()[:500])
        assert "RateLimit" not in answer
        assert away.visits() <= WAITS, path
        return answer

    recipient = {name.removeprefix("recipient_"): text for name, text in RECIPIENT.items()}
    said = {
        "lines": [{"sku": house.mug.sku, "quantity": 1, "recipient": recipient}],
        "expected_points": house.mug.points_cost,
    }
    once = {"Idempotency-Key": "while-redis-is-away"}
    first, again = (call("post", "/orders", said, **once) for _try in range(2))
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    number = first.json()["order_number"]
    order = RedemptionOrder.objects.get(order_number=number)
    assert order.transactions.get().next_attempt_at is not None  # the sweeper will find it
    assert call("get", f"/orders/{number}").json()["id"] == str(order.pk)
    call("get", "/products")
    call("post", "/addresses", recipient, **{"Idempotency-Key": "another"})
    call("post", f"/orders/{number}/cancel", {}, **{"Idempotency-Key": "a-third"})


def test_staff_work_at_the_desk_and_the_shelf(house: FullHouse, away: SilentServer) -> None:
    order = paid(house.owner, (house.mug, 2))
    press = Counter(house.browser(), away).press
    parcel = Fulfillment.objects.get(reference=order.items.get().pk)

    def do(what: str, row: Any, **form: Any) -> None:
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_do"
        press(reverse(name, args=[row.pk, what]), form)
        row.refresh_from_db()

    do("claim", parcel)
    do("pack", parcel)
    do("ship", parcel, seen=2, quantity=2, carrier="DHL", tracking_number="JJD2")
    assert parcel.shipments.count() == 1
    stock = house.mug.inventory
    stock.refresh_from_db()
    held = stock.quantity_available + stock.quantity_reserved
    do("receive", stock, seen=held, quantity=5, reason="Note 1")
    assert stock.quantity_available + stock.quantity_reserved == held + 5
    do("acknowledge", house.incident)
    assert house.incident.status == IncidentStatus.ACKNOWLEDGED
    do("resolve", house.incident, evidence="Counted.")
    assert house.incident.status == IncidentStatus.RESOLVED
    do("unflag", order)
    press("/admin/auth/group/add/", {"name": "night shift"})
    assert Group.objects.filter(name="night shift").exists()
    press("/admin/logout/")


def test_partners_news_is_kept(house: FullHouse, away: SilentServer) -> None:
    raw = body(house.world.fulfillment(house.delivered), "delivered", codes=1)
    press = Counter(Client(), away).press
    press(
        "/webhooks/fulfillment/",
        raw,
        content_type="application/json",
        headers=dict(signed(raw)),
    )
    assert Callback.objects.count() == 1


def test_a_broker_that_hangs_is_asked_once_and_then_left_alone(
    house: FullHouse,
) -> None:
    silent = SilentServer()
    with broker_at(silent.url, patience=0.05):
        for _each in range(5):
            nudge(tasks.settle_transaction, house.world.debit(house.sent).pk)
        assert silent.visits() == 1
    silent.close()
