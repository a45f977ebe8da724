"""Reports by e-mail: a link at its hour, never a figure, and a stop that is told."""

import smtplib
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.models import User
from redemption.analytics.schedules import MOST_FAILURES, MOST_OF_ONE, send_report
from redemption.models import Cadence, ReportSchedule
from tests.accounts.factories import SeatFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
SCHEDULE = "/admin/reports/redeemed/schedule/?period=7d&by=company"


class Broken(EmailBackend):
    """A mail server that refuses everything."""

    def send_messages(self, messages: Any) -> int:  # noqa: ARG002 - Django's signature
        raise smtplib.SMTPServerDisconnected


@pytest.fixture
def fay() -> User:
    return staff("finance")


@pytest.fixture
def client(fay: User) -> Client:
    return browser(fay)


def scheduled(client: Client, **form: str) -> ReportSchedule:
    answer = client.post(SCHEDULE, {"cadence": "DAILY", "hour": "8", **form})
    assert answer.status_code == 303
    return ReportSchedule.objects.latest("created_at")


def due(schedule: ReportSchedule) -> None:
    ReportSchedule.objects.filter(pk=schedule.pk).update(next_attempt_at=Now())


def test_its_owner_gets_a_link_and_no_figure_at_the_hour(client: Client, fay: User) -> None:
    schedule = scheduled(client)
    assert schedule.next_attempt_at is not None
    assert not send_report(schedule.pk)  # it is not its hour
    due(schedule)
    call_command("sweep", "--once")
    [letter] = mail.outbox
    assert letter.to == [fay.email]
    link = "/admin/reports/redeemed/?by=company&period=7d"
    assert link in str(letter.body)
    assert not any(sign.isdigit() for sign in str(letter.body).replace(link, "").partition("//")[0])
    schedule.refresh_from_db()
    assert schedule.sent_at
    assert schedule.next_attempt_at > timezone.now()
    assert client.get(link).status_code == 200
    assert Client().get(link).status_code == 302  # to the sign-in


@pytest.mark.parametrize(
    ("cadence", "now", "then"),
    [
        (Cadence.DAILY, "2026-11-27 06:59", "2026-11-27 07:00"),
        (Cadence.DAILY, "2026-11-27 07:00", "2026-11-28 07:00"),
        (Cadence.WEEKLY, "2026-11-27 07:00", "2026-11-30 07:00"),
        (Cadence.MONTHLY, "2026-11-27 07:00", "2026-12-01 07:00"),
        (Cadence.DAILY, "2026-03-28 08:00", "2026-03-29 06:00"),  # clocks go forward at night
        (Cadence.DAILY, "2026-10-24 07:00", "2026-10-25 07:00"),  # and back
    ],
)
def test_it_comes_at_its_hour_in_the_programmes_zone(cadence: Cadence, now: str, then: str) -> None:
    row = ReportSchedule(cadence=cadence, hour=8)
    at, expected = (datetime.fromisoformat(f"{moment}+00:00") for moment in (now, then))
    assert row.next_time(at, "Europe/Berlin") == expected


def test_after_five_failures_it_stops_and_says_so(client: Client, settings: Any) -> None:
    schedule = scheduled(client)
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    for tried in range(1, MOST_FAILURES + 1):
        due(schedule)
        assert send_report(schedule.pk)
        schedule.refresh_from_db()
        assert schedule.failures == tried
    assert schedule.stopped_at
    due(schedule)
    assert send_report(schedule.pk)  # its owner cannot be told yet
    schedule.refresh_from_db()
    assert schedule.told_at is None
    assert schedule.next_attempt_at
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    due(schedule)
    assert send_report(schedule.pk)
    schedule.refresh_from_db()
    assert schedule.told_at
    assert schedule.next_attempt_at is None
    [letter] = mail.outbox
    assert "is not sent to you any more" in str(letter.body)
    assert "5 times (SMTPServerDisconnected)" in client.get("/admin/reports/").content.decode()
    client.post(f"/admin/reports/schedules/{schedule.pk}/resume/")
    schedule.refresh_from_db()
    assert (schedule.stopped_at, schedule.failures, schedule.problem) == (None, 0, "")
    assert schedule.next_attempt_at


def test_a_success_forgets_the_failures_before(client: Client, settings: Any) -> None:
    schedule = scheduled(client)
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    due(schedule)
    send_report(schedule.pk)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    due(schedule)
    send_report(schedule.pk)
    schedule.refresh_from_db()
    assert (schedule.failures, schedule.problem) == (0, "")


def test_who_may_not_see_reports_any_more_gets_no_link(client: Client, fay: User) -> None:
    schedule = scheduled(client)
    fay.groups.clear()
    due(schedule)
    send_report(schedule.pk)
    schedule.refresh_from_db()
    assert schedule.stopped_at
    assert mail.outbox == []
    send_report(schedule.pk)
    [letter] = mail.outbox
    assert "You may no longer see reports" in str(letter.body)
    assert "/admin/reports/redeemed/" not in str(letter.body)


def test_a_report_of_what_is_gone_stops(client: Client) -> None:
    seat = SeatFactory.create(company__loyalty_account_id="ACC-9")
    client.post("/admin/reports/redeemed/schedule/?period=7d&company=ACC-9",
                {"cadence": "WEEKLY", "hour": "0"})  # fmt: skip
    schedule = ReportSchedule.objects.get()
    seat.company.loyalty_account_id = "ACC-10"
    seat.company.save()
    due(schedule)
    send_report(schedule.pk)
    schedule.refresh_from_db()
    assert "does not exist any more" in schedule.problem


def test_the_same_twice_is_one_and_too_many_are_refused(client: Client) -> None:
    first = scheduled(client)
    assert scheduled(client) == first
    for hour in range(9, 9 + MOST_OF_ONE + 1):
        client.post(SCHEDULE, {"cadence": "DAILY", "hour": str(hour % 24)})
    assert ReportSchedule.objects.count() == MOST_OF_ONE
    for form in ({"cadence": "HOURLY", "hour": "8"}, {"cadence": "DAILY", "hour": "24"}, {}):
        client.post(SCHEDULE, form)
    client.post(
        "/admin/reports/redeemed/schedule/?since=2026-01-01", {"cadence": "DAILY", "hour": "8"}
    )
    assert ReportSchedule.objects.count() == MOST_OF_ONE


def test_nobody_changes_the_schedule_of_another(client: Client) -> None:
    schedule = scheduled(client)
    other = browser(staff("auditor"))
    for verb in ("remove", "resume"):
        address = f"/admin/reports/schedules/{schedule.pk}/{verb}/"
        assert other.post(address).status_code == 404
    assert client.post(f"/admin/reports/schedules/{schedule.pk}/burn/").status_code == 404
    client.post(f"/admin/reports/schedules/{schedule.pk}/remove/")
    assert not ReportSchedule.objects.exists()


def test_two_sweepers_send_it_once(client: Client) -> None:
    schedule = scheduled(client)
    due(schedule)
    token = ReportSchedule.objects.lease(schedule.pk, seconds=60)
    assert token
    assert not send_report(schedule.pk)
    ReportSchedule.objects.filter(pk=schedule.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert send_report(schedule.pk)
    assert len(mail.outbox) == 1
