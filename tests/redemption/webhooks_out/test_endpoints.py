"""Owners keep up to five endpoints, at public addresses, and everyone else is told why not."""

from typing import Any

import pytest
from django.db import IntegrityError, connection

from accounts.models import Role
from loyalty_portal.data import key_rotation
from loyalty_portal.data.actor import Actor
from redemption.models import EventType, WebhookEndpoint
from redemption.webhooks_out.services import (
    EndpointRefusedError,
    add_endpoint,
    change_endpoint,
    disable_endpoint,
    enable_endpoint,
    ping,
    remove_endpoint,
    rotate_secret,
)
from tests.redemption.webhooks_out.receiver import owner_of
from tests.redemption.world import World
from tests.support.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)
URL = "https://hooks.example.com/portal"


@pytest.fixture(autouse=True)
def _outside(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = []


def add(
    world: World, url: str = URL, events: Any = ("order.placed",), by: Actor | None = None
) -> Any:
    return add_endpoint(company=world.company, url=url, events=events, by=by or owner_of(world))


def test_an_endpoint_has_a_secret_that_is_stored_encrypted(world: World) -> None:
    made = add(world)
    assert made.secret.startswith("whsec_")
    assert len(made.secret) == len("whsec_") + 44
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM redemption_webhookendpoint")
        assert made.secret not in str(cursor.fetchone())
    assert WebhookEndpoint.objects.get().secrets_now() == [made.secret]
    assert made.secret not in repr(made)


def test_a_rotated_key_encrypts_the_secrets_anew(world: World, settings: Any) -> None:
    made = add(world)
    newer = rotate_secret(made.endpoint.pk, by=owner_of(world)).secret
    settings.FIELD_ENCRYPTION_KEYS = [
        "bmV3IGtleSBmb3IgdGVzdHM6IHRoaXJ0eXR3byBieXQ=",
        *settings.FIELD_ENCRYPTION_KEYS,
    ]
    assert key_rotation.left() >= 1
    assert [line.wrong for line in key_rotation.rotate() if line.wrong] == []
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    assert WebhookEndpoint.objects.get().secrets_now() == [newer, made.secret]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.com/", "https://"),
        ("https://hooks.example.com:8443/", "443"),
        ("https://127.0.0.1/", "public internet"),
        ("https://[::ffff:10.0.0.1]/", "public internet"),
        ("https://2130706433/", "public internet"),
        ("https://0x7f.1/", "public internet"),
        ("http://10.0.0.1/", "public internet"),
        ("https://me:word@hooks.example.com/", "can be called"),
        ("https://", "can be called"),
        ("hooks.example.com", "https://"),
        ("https://hooks.example.com/#part", "can be called"),
        ("https://hooks.example.com/\x00", "can be called"),
        ("https://hooks.example.com/" + "a" * 500, "can be called"),
        ("javascript:alert(1)", "https://"),
    ],
)
def test_an_address_that_cannot_be_called_is_refused_with_the_reason(
    url: str, said: str, world: World
) -> None:
    with pytest.raises(EndpointRefusedError, match=said):
        add(world, url)


@pytest.mark.parametrize("events", [[], ["order.vanished"], ["order.placed", "order.vanished"]])
def test_events_that_do_not_exist_are_refused(events: list[str], world: World) -> None:
    with pytest.raises(EndpointRefusedError):
        add(world, events=events)


def test_a_company_has_five_endpoints_at_most_and_each_address_once(world: World) -> None:
    for number in range(5):
        add(world, f"{URL}/{number}")
    with pytest.raises(EndpointRefusedError, match="may have 5"):
        add(world, f"{URL}/6")
    first = WebhookEndpoint.objects.order_by("created_at").first()
    assert first is not None
    remove_endpoint(first.pk, by=owner_of(world))
    with pytest.raises(EndpointRefusedError, match="already"):
        add(world, f"{URL}/1")
    add(world, f"{URL}/0")


@pytest.mark.parametrize("role", [Role.APPROVER, Role.BUYER, Role.VIEWER])
def test_only_owners_of_the_company_manage_its_endpoints(role: str, world: World) -> None:
    endpoint = add(world).endpoint
    stranger = world.new_seat(Role.OWNER, world.new_company(points=1))
    for by in (Actor.in_seat(world.new_seat(role)), Actor.in_seat(stranger)):
        for act in (
            lambda by=by: add(world, f"{URL}/2", by=by),
            lambda by=by: change_endpoint(endpoint.pk, url=f"{URL}/2", by=by),
            lambda by=by: rotate_secret(endpoint.pk, by=by),
            lambda by=by: ping(endpoint.pk, by=by),
            lambda by=by: remove_endpoint(endpoint.pk, by=by),
        ):
            with pytest.raises(EndpointRefusedError, match="Only owners"):
                act()


def test_staff_switch_an_endpoint_off_and_only_staff_switch_it_on(world: World) -> None:
    endpoint = add(world).endpoint
    by = Actor.person(staff("administrator"))
    with pytest.raises(EndpointRefusedError):
        disable_endpoint(endpoint.pk, by=owner_of(world))
    disable_endpoint(endpoint.pk, by=by)
    with pytest.raises(EndpointRefusedError, match="Staff of the programme"):
        ping(endpoint.pk, by=owner_of(world))
    with pytest.raises(EndpointRefusedError, match="already"):
        disable_endpoint(endpoint.pk, by=by)
    enable_endpoint(endpoint.pk, by=by)
    endpoint.refresh_from_db()
    assert endpoint.state == "active"


def test_each_change_of_an_endpoint_is_history_without_its_secret(world: World) -> None:
    endpoint = add(world).endpoint
    change_endpoint(endpoint.pk, events=EventType.values, by=owner_of(world))
    labels = list(endpoint.changes.order_by("pgh_id").values_list("pgh_label", flat=True))
    assert labels == ["insert", "update"]
    assert "secret" not in {field.name for field in endpoint.changes.model._meta.fields}


def test_the_database_refuses_endpoints_that_make_no_sense(world: World) -> None:
    rows = WebhookEndpoint.objects.filter(pk=add(world).endpoint.pk)
    wrong: list[dict[str, Any]] = [
        {"events": []},
        {"events": ["order.vanished"]},
        {"disabled_why": "gone"},
        {"former_until": "2030-01-01T00:00:00Z"},
    ]
    for changes in wrong:
        with pytest.raises(IntegrityError):
            rows.update(**changes)
