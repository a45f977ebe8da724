"""Who calls, the company and its balance, over the API."""

import json
import socket
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts import services
from accounts.models import KnownBalance, Role, TierLevel
from tests.accounts.access.making import new_key
from tests.loyalty_portal.api.calls import Calls
from tests.loyalty_portal.partners.raw_partner import RawPartner, reply
from tests.redemption.world import World


@pytest.mark.django_db
def test_a_key_learns_who_it_is_and_what_it_may(world: World) -> None:
    made = new_key(world.company, name="ERP", role=Role.BUYER, scopes=["orders:read"])
    told = Calls(made).get("/me").json()
    assert (told["kind"], told["name"], told["email"]) == ("key", "ERP", None)
    assert (told["role"], told["scopes"]) == ("buyer", ["orders:read"])
    assert told["key"]["shown"] == made.key.shown
    assert datetime.fromisoformat(told["key"]["expires_at"]) == made.key.expires_at
    assert told["id"] == str(made.key.seat_id)
    assert told["companies"] == [
        {"id": str(world.company.pk), "name": world.company.name, "role": "buyer"}
    ]
    assert made.secret[13:-4] not in str(told)


def test_the_company_is_told(world: World) -> None:
    world.company.approval_threshold = 500
    world.company.save()
    told = Calls(new_key(world.company)).get("/company").json()
    assert (told["name"], told["tier_level"]) == (world.company.name, TierLevel.GOLD)
    assert told["approval_threshold"] == 500


def test_the_balance_is_asked_for_and_counts_what_is_being_taken(world: World) -> None:
    calls = Calls(new_key(world.company))
    world.place((world.product(points=1_000), 2))
    told = calls.get("/balance").json()
    assert (told["points"], told["in_flight"], told["spendable"]) == (100_000, 2_000, 98_000)
    assert told["stale"] is False
    assert told["as_of"].endswith("Z")


def test_the_last_known_balance_is_told_as_stale_when_the_partner_is_away(
    world: World, settings: Any
) -> None:
    settings.LOYALTY_API_URL = "http://127.0.0.1:9/loyalty"
    calls = Calls(new_key(world.company))
    unknown = calls.get("/balance").json()
    assert (unknown["points"], unknown["spendable"], unknown["stale"]) == (None, None, True)
    earlier = timezone.now() - timedelta(hours=1)
    KnownBalance.objects.create(
        company=world.company, points=700, as_of=earlier, fetched_at=earlier,
        expiring=[{"points": 5, "expires_on": "2100-01-01"}, {"points": 9, "expires_on": "2020-01-01"}],
    )  # fmt: skip
    told = calls.get("/balance").json()
    assert (told["points"], told["spendable"], told["stale"]) == (700, 700, True)
    assert told["expiring"] == [{"points": 5, "expires_on": "2100-01-01"}]


def test_the_balance_waits_for_the_partner_for_four_seconds_at_most(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partner answers well within the deadline of other calls, and too late for this one."""
    assert services.PATIENCE == 4.0
    # replaced: the four seconds
    monkeypatch.setattr(services, "PATIENCE", 0.2)
    account = world.company.loyalty_account_id
    told = {"account_id": account, "balance": 900, "as_of": "2026-11-27T09:00:00Z", "expiring": []}

    def late(connection: socket.socket, closing: threading.Event) -> None:
        closing.wait(2)
        connection.sendall(reply(200, json.dumps(told).encode()))

    calls = Calls(new_key(world.company))
    with RawPartner(late, reply(200, json.dumps(told).encode())) as partner:
        settings.LOYALTY_API_URL = partner.url
        settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 20.0
        answers = [calls.get("/balance").json()]
        cache.clear()
        answers.append(calls.get("/balance").json())
    assert [(each["points"], each["stale"]) for each in answers] == [(None, True), (900, False)]
