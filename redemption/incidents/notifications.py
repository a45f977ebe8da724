"""Sends alerts to PagerDuty or by e-mail: each is a row first, and sent outside of transactions."""

import logging
import uuid
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone

from loyalty_portal.data.leases import backoff
from loyalty_portal.data.one_line import one_line, render_plain
from loyalty_portal.data.texts import mail
from loyalty_portal.metrics.figures import sent
from loyalty_portal.partners.client import Outcome
from redemption.incidents import pagerduty
from redemption.incidents.alert_text import AlertText, alert_text_of
from redemption.incidents.guide import GUIDE
from redemption.models import Alert, AlertAction, RunOutcome

logger = logging.getLogger(__name__)

LEASE_MARGIN = 15.0  # seconds beyond a call's deadline; longer than EMAIL_TIMEOUT
LONGEST_WAIT = 300.0  # seconds between two tries; tries do not end
# An alert about a reconciliation waits so long for the run's end, to report all differences.
SUMMED_UP = timedelta(minutes=10)


def send_alert(alert_id: uuid.UUID) -> bool:
    """Send one due alert. False when it is not due, or another worker sends it.

    If the process dies after sending, the alert is sent again; PagerDuty and mail programs
    recognise it by its key.
    """
    token = Alert.objects.lease(alert_id, seconds=settings.PARTNER_DEADLINE + LEASE_MARGIN)
    if token is None:
        return False
    alert = Alert.objects.select_related("incident__order", "run").get(pk=alert_id)
    if _must_wait(alert):
        Alert.objects.release(alert_id, token, retry_in=backoff(alert.attempts, cap=60.0))
        return True
    if not settings.PAGERDUTY_ROUTING_KEY and not settings.ALERT_EMAILS:
        logger.warning("nobody to alert: %s", alert)
        Alert.objects.release(alert_id, token, retry_in=None, problem="nobody to alert")
        return True
    by = _by_pagerduty if settings.PAGERDUTY_ROUTING_KEY else _by_mail
    problem = by(alert_text_of(alert), AlertAction(alert.action))
    sent("alert", problem)
    if problem:
        logger.warning("alert %s could not be sent: %s", alert_id, problem)
        wait = backoff(alert.attempts, cap=LONGEST_WAIT)
        Alert.objects.release(alert_id, token, retry_in=wait, problem=problem[:255])
    else:
        Alert.objects.release(alert_id, token, retry_in=None, problem="", sent_at=timezone.now())
    return True


def _must_wait(alert: Alert) -> bool:
    """Whether the alert must wait: the end of an incident for the alert about its start, and the
    alert of a reconciliation for the end of the run.
    """
    if alert.action == AlertAction.RESOLVE:
        beginning = Alert.objects.filter(
            incident=alert.incident, run=alert.run, action=AlertAction.TRIGGER
        )
        return beginning.filter(next_attempt_at__isnull=False).exists()
    at_work = alert.run is not None and alert.run.outcome == RunOutcome.RUNNING
    return at_work and alert.created_at > timezone.now() - SUMMED_UP


def _by_pagerduty(alert_text: AlertText, action: AlertAction) -> str:
    """Send it to PagerDuty. Returns why that failed; "" when it was sent."""
    answer = pagerduty.send(alert_text, action)
    return "" if answer.outcome is Outcome.SUCCEEDED else answer.told


def _by_mail(alert_text: AlertText, action: AlertAction) -> str:
    """Send it by e-mail. Returns why that failed; "" when it was sent."""
    return mail.sent(compose(alert_text, action))


def compose(alert_text: AlertText, action: AlertAction) -> EmailMessage:
    """The e-mail. The one about the end of an incident is a reply to the one about its start."""
    over = action == AlertAction.RESOLVE
    facts = {
        "alert_text": alert_text,
        "what_to_do": GUIDE[alert_text.kind].what_to_do,
        "resolved": over,
    }
    subject = render_plain("redemption/email/alert.subject.txt", facts)
    first = mail.message_id(f"incident-{alert_text.key}")
    headers = {"Message-ID": first}
    if over:
        ours = mail.message_id(f"incident-{alert_text.key}-resolved")
        headers = {"Message-ID": ours, "In-Reply-To": first, "References": first}
    return EmailMessage(
        subject=one_line(subject),
        body=render_plain("redemption/email/alert.txt", facts),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=settings.ALERT_EMAILS,
        headers=headers,
    )
