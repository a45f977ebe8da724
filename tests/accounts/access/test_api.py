"""Who calls, the company and its balance, over the API."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import KnownBalance, Role, TierLevel
from tests.accounts.access.making import new_key
from tests.loyalty_portal.api.calls import Calls
from tests.redemption.world import World


@pytest.mark.django_db
def test_a_key_learns_who_it_is_and_what_it_may(world: World) -> None:
    made = new_key(world.company, name="ERP", role=Role.BUYER, scopes=["orders:read"])
    told = Calls(made).get("/me").json()
    assert (told["kind"], told["name"], told["email"]) == ("key", "ERP", None)
    assert (told["role"], told["scopes"]) == ("buyer", ["orders:read"])
    assert told["key"]["shown"] == made.key.shown
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
