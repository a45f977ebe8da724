"""Alerts: one for an incident and one for its end, over real HTTP or by e-mail."""

import json
from typing import Any

import pytest
from django.core import mail

from redemption.incidents.notifications import send_alert
from redemption.incidents.services import raise_incident, settle_incident
from redemption.models import Alert, AlertAction, Incident
from redemption.saga.queues import work
from redemption.states import IncidentKind
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.partners.raw_partner import RawPartner, reply, reset
from tests.support.orders.order_kinds import placed_order

pytestmark = pytest.mark.django_db(transaction=True)
ACCEPTED = reply(202, b'{"status": "success", "message": "Event processed", "dedup_key": "x"}')


def drift() -> Incident:
    return raise_incident(
        kind=IncidentKind.STOCK_DRIFT, key="stock-drift:MUG", what="MUG: 3 too many."
    )


def over() -> None:
    settle_incident(key="stock-drift:MUG", why="Grace Hopper counted 12.")


def send_all() -> None:
    """Send all due alerts, as the sweeper does."""
    for alert in Alert.objects.filter(next_attempt_at__isnull=False).order_by("created_at"):
        Alert.objects.filter(pk=alert.pk).update(
            next_attempt_at="2020-01-01T00:00:00Z", lease_until=None
        )
        send_alert(alert.pk)


def told(pagerduty: RawPartner) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in pagerduty.requests]


@pytest.mark.usefixtures("by_pagerduty")
def test_pagerduty_hears_of_an_incident_once_and_of_its_end_once(settings: Any) -> None:
    incident = drift()
    drift()
    with RawPartner(ACCEPTED) as pagerduty:
        settings.PAGERDUTY_URL = pagerduty.url
        send_all()
        over()
        send_all()
        send_all()
    begun, ended = told(pagerduty)
    assert [request.line for request in pagerduty.requests] == [b"POST /v2/enqueue HTTP/1.1"] * 2
    assert begun["routing_key"] == ended["routing_key"] == "the-routing-key"
    assert begun["dedup_key"] == ended["dedup_key"] == str(incident.pk)
    assert (begun["event_action"], ended["event_action"]) == ("trigger", "resolve")
    assert begun["payload"]["severity"] == "error"
    assert begun["payload"]["summary"] == "MUG: 3 too many."
    assert begun["links"][0]["href"] == (
        f"https://portal.example/admin/redemption/incident/{incident.pk}/change/"
    )
    assert not mail.outbox
    assert not Alert.objects.filter(sent_at=None).exists()


@pytest.mark.usefixtures("by_pagerduty")
def test_an_alert_tells_the_order_and_nothing_about_a_person(settings: Any) -> None:
    order = placed_order((ProductFactory.create(), 1))
    raise_incident(
        kind=IncidentKind.CREDIT_REFUSED,
        key="credit:1",
        what=f"{order.order_number}: refused.",
        order=order,
        facts={"line": "not for outside"},
    )
    with RawPartner(ACCEPTED) as pagerduty:
        settings.PAGERDUTY_URL = pagerduty.url
        send_all()
    payload = told(pagerduty)[0]["payload"]
    assert payload["severity"] == "critical"
    assert payload["custom_details"] == {"order": order.order_number}
    said = pagerduty.requests[0].body.decode()
    buyer = order.account_manager.user
    for secret in (buyer.email, buyer.name, order.company.name, "not for outside"):
        assert secret not in said


@pytest.mark.usefixtures("by_pagerduty")
@pytest.mark.parametrize("trouble", [reset, reply(400), reply(500), reply(202, b"ok")])
def test_what_pagerduty_does_not_take_is_tried_again(settings: Any, trouble: Any) -> None:
    drift()
    alert = Alert.objects.get()
    with RawPartner(trouble) as pagerduty:
        settings.PAGERDUTY_URL = pagerduty.url
        send_all()
    alert.refresh_from_db()
    assert alert.sent_at is None
    assert alert.problem
    assert alert.next_attempt_at is not None
    with RawPartner(ACCEPTED) as pagerduty:
        settings.PAGERDUTY_URL = pagerduty.url
        send_all()
    alert.refresh_from_db()
    assert alert.sent_at is not None
    assert (alert.problem, alert.next_attempt_at) == ("", None)


@pytest.mark.usefixtures("by_pagerduty")
def test_the_end_is_never_told_before_the_beginning(settings: Any) -> None:
    drift()
    over()
    ending = Alert.objects.get(action=AlertAction.RESOLVE)
    with RawPartner(ACCEPTED) as pagerduty:
        settings.PAGERDUTY_URL = pagerduty.url
        send_alert(ending.pk)
        assert pagerduty.requests == []
        send_all()
        send_all()
    assert [event["event_action"] for event in told(pagerduty)] == ["trigger", "resolve"]


@pytest.mark.usefixtures("by_mail")
def test_without_pagerduty_the_alert_is_a_letter_that_says_what_to_do() -> None:
    incident = drift()
    send_all()
    over()
    send_all()
    begun, ended = mail.outbox
    assert begun.to == ended.to == ["oncall@portal.example", "ops@portal.example"]
    assert begun.subject == "[Error] MUG: 3 too many."
    assert ended.subject == "Resolved: MUG: 3 too many."
    assert "Count it, and enter the count." in begun.body
    assert f"https://portal.example/admin/redemption/incident/{incident.pk}/change/" in begun.body
    assert ended.extra_headers["In-Reply-To"] == begun.extra_headers["Message-ID"]
    assert "Grace Hopper" not in f"{begun.body}{ended.body}"


@pytest.mark.usefixtures("by_mail")
def test_a_mail_server_that_refuses_is_asked_again(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    drift()
    send_all()
    alert = Alert.objects.get()
    assert (alert.sent_at, alert.problem) == (None, "ConnectionRefusedError")
    assert alert.next_attempt_at is not None


def test_with_nobody_to_alert_the_incident_alone_stands(settings: Any) -> None:
    settings.PAGERDUTY_ROUTING_KEY, settings.ALERT_EMAILS = "", []
    drift()
    over()
    send_all()
    send_all()
    assert not mail.outbox
    assert set(Alert.objects.values_list("problem", "sent_at", "next_attempt_at")) == {
        ("nobody to alert", None, None)
    }


@pytest.mark.usefixtures("by_mail")
def test_two_senders_at_once_are_one_letter() -> None:
    drift()
    alert = Alert.objects.get()
    assert send_alert(alert.pk)
    assert not send_alert(alert.pk)
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("by_mail")
def test_alerts_that_cannot_be_written_make_one_incident_and_no_avalanche(
    settings: Any,
) -> None:
    settings.EMAIL_BACKEND = "no.such.backend"
    drift()
    for _ in range(40):
        for pk in Alert.objects.filter(next_attempt_at__isnull=False).values_list("pk", flat=True):
            Alert.objects.filter(pk=pk).update(
                next_attempt_at="2020-01-01T00:00:00Z", lease_until=None
            )
            work("alerts", pk)
    poison = Incident.objects.get(kind=IncidentKind.POISON_ROW)
    assert poison.times_seen == 2  # its own alert is the second
    assert Alert.objects.count() == 2


def test_the_mail_library_is_not_confused_by_a_sentence_with_a_line_break(settings: Any) -> None:
    settings.ALERT_EMAILS = ["oncall@portal.example"]
    raise_incident(
        kind=IncidentKind.PUZZLING_CALLBACK, key="callback:1", what="broken\nBcc: all@x.example"
    )
    send_all()
    assert mail.outbox[0].subject == "[Warning] broken Bcc: all@x.example"
    assert mail.outbox[0].recipients() == ["oncall@portal.example"]
