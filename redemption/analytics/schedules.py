"""Reports by e-mail: whoever may see reports gets a link to one, each day, week or month.

The e-mail has no figure: the link asks for a sign-in, and for the permission. After five tries that
failed in a row, or once its owner may not see reports any more, a schedule stops and says so.
"""

import logging
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import programme_zone
from accounts.models.readers import reader_of
from loyalty_portal.configuration import brand
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.one_line import one_line, render_plain
from loyalty_portal.data.texts import mail
from loyalty_portal.metrics.figures import sent
from redemption.analytics.forms import ReportForm
from redemption.analytics.reports.registry import REPORTS
from redemption.models import ReportSchedule
from redemption.permissions import may_see_reports

logger = logging.getLogger(__name__)

LEASE = 60.0  # seconds; longer than EMAIL_TIMEOUT
MOST_FAILURES = 5
# Seconds after each try that failed: an evening without a mail server stops nothing.
WAITS = (15 * 60.0, 3_600.0, 4 * 3_600.0, 12 * 3_600.0)
MOST_OF_ONE = 20  # schedules of a person


class ScheduleRefusedError(Exception):
    """A schedule cannot be made; the message is a sentence for the person who asked for it."""


def schedules_of(actor: Actor) -> QuerySet[ReportSchedule]:
    """The actor's own schedules."""
    return ReportSchedule.objects.filter(owner=actor.user_id)


@transaction.atomic
def schedule_report(
    *, report: str, asked: dict[str, str], cadence: str, hour: int, by: Actor
) -> ReportSchedule:
    """Have a report sent to `by`. Asking for the same twice keeps one.

    Raises ScheduleRefusedError when they may not, or have too many.
    """
    if not may_see_reports(by):
        raise ScheduleRefusedError(_("You have no permission to see reports."))
    mine = schedules_of(by)
    if mine.count() >= MOST_OF_ONE:
        told = _("You get %(most)s reports by e-mail already. Take one out first.")
        raise ScheduleRefusedError(told % {"most": MOST_OF_ONE})
    row = ReportSchedule(
        owner_id=by.person_id, report=report, asked=asked, cadence=cadence, hour=hour
    )
    row.next_attempt_at = row.next_time(timezone.now(), programme_zone())
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        return mine.get(report=report, asked=asked, cadence=cadence, hour=hour)
    return row


def unschedule(*, schedule: ReportSchedule, by: Actor) -> None:
    """Take one's own schedule out."""
    schedules_of(by).filter(pk=schedule.pk).delete()


def resume(*, schedule: ReportSchedule, by: Actor) -> None:
    """Start one's own schedule again after it stopped."""
    when = schedule.next_time(timezone.now(), programme_zone())
    schedules_of(by).filter(pk=schedule.pk, stopped_at__isnull=False).update(
        stopped_at=None, told_at=None, failures=0, problem="", next_attempt_at=when
    )


# --- The work ------------------------------------------------------------------------------------


def send_report(schedule_id: uuid.UUID) -> bool:
    """Send one due link, or tell the owner that it stopped. False when it is not due."""
    token = ReportSchedule.objects.lease(schedule_id, seconds=LEASE)
    if token is None:
        return False
    schedule = ReportSchedule.objects.select_related("owner").get(pk=schedule_id)
    if schedule.stopped_at:
        _tell(schedule, token)
        return True
    lost = _lost(schedule)
    if lost:
        _stop(schedule, token, lost)
        return True
    problem = mail.sent(compose(schedule, "report"))
    sent("report", problem)
    if problem:
        _failed(schedule, token, problem)
    else:
        when = schedule.next_time(timezone.now(), programme_zone())
        _release(schedule, token, next_attempt_at=when, sent_at=Now(), failures=0, problem="")
    return True


def _lost(schedule: ReportSchedule) -> str:
    """Why nobody should get it any more; "" while its owner should."""
    owner = schedule.owner
    if not (owner.is_active and owner.is_staff and may_see_reports(Actor.person(owner))):
        return _("You may no longer see reports.")
    report = REPORTS.get(schedule.report)
    if report is None or not ReportForm(report, schedule.asked, now=timezone.now()).is_valid():
        return _("What the report was narrowed to does not exist any more.")
    return ""


def _failed(schedule: ReportSchedule, token: uuid.UUID, problem: str) -> None:
    failures = schedule.failures + 1
    logger.warning("report schedule %s could not be sent: %s", schedule.pk, problem)
    if failures >= MOST_FAILURES:
        told = _("It could not be sent %(times)s times (%(problem)s).")
        _stop(schedule, token, told % {"times": failures, "problem": problem}, failures=failures)
        return
    again = Now() + timedelta(seconds=WAITS[failures - 1])
    _release(schedule, token, next_attempt_at=again, failures=failures, problem=problem)


def _stop(schedule: ReportSchedule, token: uuid.UUID, why: str, **changes: Any) -> None:
    """Stop the schedule; it is due at once, to tell its owner."""
    _release(schedule, token, stopped_at=Now(), problem=why, next_attempt_at=Now(), **changes)


def _tell(schedule: ReportSchedule, token: uuid.UUID) -> None:
    """Tell the owner that it stopped, and try again each half day while that fails. An owner who
    cannot sign in any more is told nothing.
    """
    if schedule.owner.is_active and mail.sent(compose(schedule, "report_stopped")):
        _release(schedule, token, next_attempt_at=Now() + timedelta(seconds=WAITS[-1]))
    else:
        _release(schedule, token, next_attempt_at=None, told_at=Now())


def _release(schedule: ReportSchedule, token: uuid.UUID, **changes: Any) -> None:
    ReportSchedule.objects.release(schedule.pk, token, retry_in=None, **changes)


def compose(schedule: ReportSchedule, template: str) -> EmailMessage:
    """The e-mail in its owner's language and time zone."""
    with reader_of(schedule.owner).reading():
        return _composed(schedule, template)


def _composed(schedule: ReportSchedule, template: str) -> EmailMessage:
    """The e-mail, from templates/redemption/email/<template>.{subject.txt,txt}."""
    report = REPORTS.get(schedule.report)
    facts = {
        "title": str(report.title) if report else schedule.report,
        "schedule": schedule,
        "brand": brand.current().name,
        "report_url": f"{settings.PORTAL_URL}{report_address(schedule)}",
        "reports_url": f"{settings.PORTAL_URL}{reverse('admin:redemption_reports')}",
    }
    folder = f"redemption/email/{template}"
    return EmailMessage(
        subject=one_line(render_plain(f"{folder}.subject.txt", facts)),
        body=render_plain(f"{folder}.txt", facts),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[schedule.owner.email],
    )


def report_address(schedule: ReportSchedule) -> str:
    """The address of the report's page, with what it is narrowed to."""
    query = urlencode(schedule.asked)
    there = reverse("admin:redemption_report", args=[schedule.report])
    return f"{there}?{query}" if query else there
