"""Owners add endpoints, see each secret once, ping, and see what became of each message."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Role
from redemption.models import EventType, WebhookDelivery, WebhookEndpoint
from tests.accounts.factories import PASSWORD
from tests.accounts.second_factor import long_ago
from tests.loyalty_portal.partners.raw_partner import reply
from tests.redemption.webhooks_out.receiver import OK, Receiver, deliver, is_signed, owner_of
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/company/webhooks/"


@pytest.fixture
def owner(world: World, client_for: Any) -> Client:
    seat = owner_of(world).seat
    return client_for(seat)


def secret_in(page: str) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", page)
    assert found
    return found[0]


def test_an_owner_adds_an_endpoint_pings_it_and_reads_what_arrived(
    world: World, owner: Client
) -> None:
    assert "No system is told yet" in owner.get(LIST).content.decode()
    with Receiver(reply(500), OK) as receiver:
        form = {"url": f"{receiver.url}/in", "events": EventType.values}
        made = owner.post(f"{LIST}new/", form)
        assert made.status_code == 201
        assert made["Cache-Control"].startswith("max-age=0")
        secret = secret_in(made.content.decode())
        again = owner.post(f"{LIST}new/", form)
        assert again.status_code == 422
        assert "already" in again.content.decode()
        address = f"{LIST}{WebhookEndpoint.objects.get().pk}/"
        assert secret not in owner.get(address).content.decode()
        assert owner.get(LIST).content.decode().count("Active") == 1
        for _ping in range(2):
            assert owner.post(f"{address}ping/").status_code == 303
            assert "On its way" in owner.get(address).content.decode()
            deliver()
        page = owner.get(address).content.decode()
    assert "answered 500" in page
    assert "answered 204" in page
    assert is_signed(receiver.requests[1], secret)


def test_what_was_missed_is_sent_again_from_the_page(world: World, owner: Client) -> None:
    with Receiver(reply(410), OK).connect(world) as receiver:
        world.place((world.product(), 1))
        deliver()
        address = f"{LIST}{receiver.endpoint.pk}/"
        page = owner.get(address).content.decode()
        assert "Nothing is sent to it." in page
        assert "confirm-replay" not in page
        refused = owner.post(f"{address}replay/", {"hours": 24})
        assert refused.status_code == 422
        assert "Send a ping first" in refused.content.decode()
        owner.post(f"{address}ping/")
        deliver()
        assert "confirm-replay" in owner.get(address).content.decode()
        told = owner.post(f"{address}replay/", {"hours": 24}, follow=True).content.decode()
        assert "1 event is sent again." in told
        deliver()
    assert receiver.types[-1] == "order.placed"


def test_an_endpoint_is_changed_its_secret_rotated_and_removed(world: World, owner: Client) -> None:
    receiver = Receiver(OK).connect(world)
    address = f"{LIST}{receiver.endpoint.pk}/"
    rotated = owner.post(f"{address}rotate/")
    assert rotated.status_code == 201
    assert secret_in(rotated.content.decode()) != receiver.secret
    wrong = owner.post(f"{address}change/", {"url": "nonsense", "events": ["order.placed"]})
    assert wrong.status_code == 422
    changed = {"url": f"{receiver.url}/other", "events": ["order.placed", "order.completed"]}
    assert owner.post(f"{address}change/", changed).status_code == 303
    assert receiver.now().events == changed["events"]
    assert owner.post(f"{address}remove/").status_code == 303
    assert owner.get(address).status_code == 404
    assert "No system is told yet" in owner.get(LIST).content.decode()


def test_who_signed_in_long_ago_confirms_who_they_are_before_an_endpoint_changes(
    world: World, client_for: Any
) -> None:
    receiver = Receiver(OK).connect(world)
    before = list(WebhookEndpoint.objects.values())
    seat = world.company.seats.get(role=Role.OWNER)
    seat.user.set_password(PASSWORD)
    seat.user.save()
    owner = client_for(seat)
    long_ago(owner)
    for verb in ("change", "rotate", "remove", ""):
        path = f"{LIST}{receiver.endpoint.pk}/{verb}/" if verb else f"{LIST}new/"
        asked = owner.post(path, {"url": f"{receiver.url}/2", "events": ["order.placed"]})
        assert asked["Location"].startswith("/accounts/reauthenticate/"), verb
    assert list(WebhookEndpoint.objects.values()) == before
    assert owner.get(LIST).status_code == 200


def test_others_see_nothing_of_a_companys_endpoints(world: World, client_for: Any) -> None:
    receiver = Receiver(OK).connect(world)
    stranger = client_for(world.new_seat(Role.OWNER, world.new_company(points=1)))
    buyer = client_for(world.new_seat(Role.APPROVER))
    posts = ("change", "rotate", "ping", "replay", "remove")
    for name in ("", *(f"{each}/" for each in posts)):
        address = f"{LIST}{receiver.endpoint.pk}/{name}"
        ask = stranger.post if name else stranger.get
        assert ask(address).status_code == 404
        assert (buyer.post if name else buyer.get)(address).status_code == 403
        nobody = Client()
        assert (nobody.post if name else nobody.get)(address).status_code == 302
    assert receiver.endpoint.url not in stranger.get(LIST).content.decode()
    assert not WebhookDelivery.objects.exists()


def test_the_page_needs_as_many_queries_for_many_deliveries(world: World, owner: Client) -> None:
    receiver = Receiver(OK).connect(world)
    address = reverse("webhooks:endpoint", args=[receiver.endpoint.pk])
    owner.get(address)
    counts = []
    for number in (1, 30):
        WebhookDelivery.objects.bulk_create(
            WebhookDelivery(endpoint=receiver.endpoint) for _row in range(number)
        )
        with CaptureQueriesContext(connection) as asked:
            owner.get(address)
        counts.append(len(asked))
    assert counts[0] == counts[1]
