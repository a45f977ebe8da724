"""A company's own system reads the feed and looks after its endpoints over the API."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import KeyedApiCall, Role, Scope
from loyalty_portal.data.actor import Actor
from loyalty_portal.feed.services import publish_all
from redemption.models import WebhookEndpoint
from redemption.webhooks_out.services import disable_endpoint
from tests.accounts.access.making import new_key
from tests.loyalty_portal.api.calls import Calls, code
from tests.loyalty_portal.partners.raw_partner import reply
from tests.redemption.webhooks_out.receiver import OK, Receiver, deliver, is_signed
from tests.redemption.world import World
from tests.support.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/webhook-endpoints"


@pytest.fixture
def calls(world: World) -> Calls:
    return Calls(new_key(world.company, role=Role.OWNER))


def post(calls: Calls, path: str, said: Any = None, key: str = "") -> Any:
    return calls.call("post", path, said, **{"Idempotency-Key": key or uuid4().hex})


def test_the_feed_is_read_from_where_the_caller_stopped(world: World, calls: Calls) -> None:
    first = world.place((world.product(), 1))
    publish_all()
    known = calls.every("/events")
    assert known[-1]["data"]["order_id"] == str(first.pk)
    second = world.place((world.product(), 1))
    publish_all()
    after = {"after_sequence": known[-1]["sequence"]}
    assert [each["data"]["order_id"] for each in calls.every("/events", after)] == [str(second.pk)]
    whole = calls.every("/events", {"limit": 1})
    assert [each["sequence"] for each in whole] == sorted(each["sequence"] for each in whole)
    only = calls.every("/events", {"type": "order.completed"})
    assert only == []
    stranger = Calls(new_key(world.new_company(points=1)))
    assert stranger.every("/events") == []
    assert code(calls.get("/events", {"type": "order.vanished"})) == "invalid"
    assert code(calls.get("/events", {"after_sequence": str(2**63)})) == "invalid"


def test_events_need_the_scope_of_what_they_are_about(world: World, calls: Calls) -> None:
    world.new_seat(Role.VIEWER)
    world.place((world.product(), 1))
    publish_all()

    def types(*scopes: str) -> set[str]:
        key = new_key(world.company, scopes=[Scope.ORDERS_READ, *scopes], role=Role.VIEWER)
        return {each["type"] for each in Calls(key).every("/events")}

    assert types() == {"order.placed"}
    assert types(Scope.MEMBERS_READ) == {"order.placed", "member.changed"}


def test_an_endpoint_is_added_once_and_its_secret_is_kept_nowhere_in_the_clear(
    calls: Calls, settings: Any
) -> None:
    with Receiver(OK) as receiver:
        said = {"url": receiver.url, "events": ["order.placed"]}
        made, again = (post(calls, LIST, said, "one") for _twice in range(2))
        assert (made.status_code, again.status_code) == (201, 201)
        assert made.json() == again.json()
        assert again["Idempotent-Replayed"] == "true"
        assert made["Location"] == again["Location"] == f"/api/v1{LIST}/{made.json()['id']}"
        secret, where = made.json()["secret"], f"{LIST}/{made.json()['id']}"
        assert WebhookEndpoint.objects.count() == 1
        assert secret not in str(list(KeyedApiCall.objects.values()))
        assert secret not in calls.get(where).content.decode()
        assert code(post(calls, LIST, said)) == "endpoint_refused"
        assert post(calls, f"{where}/ping").status_code == 202
        deliver()
        assert is_signed(receiver.requests[0], secret)
        (delivery,) = calls.every(f"{where}/deliveries")
    assert (delivery["status"], delivery["type"]) == ("delivered", "endpoint.ping")
    assert delivery["id"] == receiver.ids()[0]
    assert delivery["attempts"][0]["status_code"] == 204


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "192.168.1.1:8080", "[fd00::1]", "169.254.169.254", "167772161", "10.1"]
)
def test_an_inner_address_is_refused_at_once_also_where_another_network_is_open(
    host: str, calls: Calls
) -> None:
    """The demo and these tests open 127.0.0.0/8."""
    said = {"events": ["order.placed"]}
    for scheme in ("http", "https"):
        refused = post(calls, LIST, said | {"url": f"{scheme}://{host}/hook"})
        assert (refused.status_code, code(refused)) == (422, "invalid")
        (error,) = refused.json()["errors"]
        assert error["pointer"] == "/url"
        assert "public internet" in error["detail"]
    open_one = post(calls, LIST, said | {"url": "http://127.0.0.1:9100/hook"})
    assert open_one.status_code == 201
    elsewhere = calls.call(
        "patch", f"{LIST}/{open_one.json()['id']}", {"url": f"https://{host}/hook"}
    )
    assert code(elsewhere) == "invalid"


def test_a_repeated_rotation_gives_the_same_secret_until_another_one(
    world: World, calls: Calls
) -> None:
    receiver = Receiver(OK).connect(world)
    where = f"{LIST}/{receiver.endpoint.pk}/rotate-secret"
    first, again = post(calls, where, key="first").json(), post(calls, where, key="first").json()
    assert first == again
    second = post(calls, where, key="second").json()
    assert second["secret"] not in {first["secret"], receiver.secret}
    late = post(calls, where, key="first")
    assert code(late) == "endpoint_refused"
    assert receiver.now().secrets_now()[0] == second["secret"]


def test_an_endpoint_is_changed_replayed_and_removed(world: World, calls: Calls) -> None:
    with Receiver(reply(410), OK).connect(world) as receiver:
        where = f"{LIST}/{receiver.endpoint.pk}"
        world.place((world.product(), 1))
        deliver()
        told = calls.get(where).json()
        assert (told["state"], told["disabled_reason"]) == ("disabled", "gone")
        since = (timezone.now() - timedelta(hours=1)).isoformat()
        assert code(post(calls, f"{where}/replay", {"since": since})) == "endpoint_refused"
        assert code(post(calls, f"{where}/replay", {"since": since[:19]})) == "invalid"
        post(calls, f"{where}/ping")
        deliver()
        replayed = post(calls, f"{where}/replay", {"since": since})
        assert (replayed.status_code, replayed.json()["events"]) == (202, 1)
        deliver()
    assert receiver.types[-1] == "order.placed"
    changed = calls.call("patch", where, {"events": ["order.completed"]})
    assert changed.json()["events"] == ["order.completed"]
    wrong = calls.call("patch", where, {"url": "ftp://example.com"})
    assert (code(wrong), wrong.json()["errors"][0]["pointer"]) == ("invalid", "/url")
    wrong = post(calls, LIST, {"url": "nonsense", "events": ["order.placed"]})
    assert (code(wrong), wrong.json()["errors"][0]["pointer"]) == ("invalid", "/url")
    disable_endpoint(receiver.endpoint.pk, by=Actor.person(staff("support")))
    assert code(post(calls, f"{where}/ping")) == "endpoint_refused"
    assert calls.call("delete", where).status_code == 204
    assert calls.get(where).status_code == 404
    assert calls.every(LIST) == []


def test_an_endpoint_is_changed_only_as_the_caller_knows_it(world: World, calls: Calls) -> None:
    made = post(calls, LIST, {"url": "https://n.example/", "events": ["order.placed"]}).json()
    where = f"{LIST}/{made['id']}"
    seen = calls.get(where)["ETag"]
    assert calls.get(where, **{"If-None-Match": seen}).status_code == 304
    shipped, completed = ({"events": [each]} for each in ("order.shipped", "order.completed"))
    told = calls.call("patch", where, shipped, **{"If-Match": seen})
    assert (told.status_code, told.json()["events"]) == (200, ["order.shipped"])
    for method, body in (("patch", completed), ("delete", None)):
        late = calls.call(method, where, body, **{"If-Match": seen})
        assert (late.status_code, code(late)) == (412, "precondition_failed")
    assert calls.get(where)["ETag"] == told["ETag"]
    assert calls.get(where).json()["events"] == ["order.shipped"]
    assert calls.call("delete", where, **{"If-Match": told["ETag"]}).status_code == 204
