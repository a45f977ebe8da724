"""Alerts: written from a row, to PagerDuty or by e-mail, once, and never inside a transaction."""

import logging
import smtplib
import uuid

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from loyalty_portal.leases import backoff
from loyalty_portal.partner_http import Outcome
from redemption.incidents import pagerduty
from redemption.incidents.guide import GUIDE
from redemption.models import Alert, AlertAction

logger = logging.getLogger(__name__)

LEASE_MARGIN = 15.0  # seconds beyond a call's deadline; longer than EMAIL_TIMEOUT
LONGEST_WAIT = 300.0  # seconds between two tries; it is tried without end


def send_alert(alert_id: uuid.UUID) -> bool:
    """Send one due alert. False when it is not due, or somebody else sends it.

    One that was sent while our process died is sent again; PagerDuty and mail programs know by
    its key that it is the same.
    """
    token = Alert.objects.lease(alert_id, seconds=settings.PARTNER_DEADLINE + LEASE_MARGIN)
    if token is None:
        return False
    alert = Alert.objects.select_related("incident__order").get(pk=alert_id)
    if _must_wait(alert):
        Alert.objects.release(alert_id, token, retry_in=backoff(alert.attempts, cap=60.0))
        return True
    if not settings.PAGERDUTY_ROUTING_KEY and not settings.ALERT_EMAILS:
        logger.warning("nobody to alert about incident %s", alert.incident_id)
        Alert.objects.release(alert_id, token, retry_in=None, problem="nobody to alert")
        return True
    problem = _by_pagerduty(alert) if settings.PAGERDUTY_ROUTING_KEY else _by_mail(alert)
    if problem:
        logger.warning("alert %s could not be sent: %s", alert_id, problem)
        wait = backoff(alert.attempts, cap=LONGEST_WAIT)
        Alert.objects.release(alert_id, token, retry_in=wait, problem=problem[:255])
    else:
        Alert.objects.release(alert_id, token, retry_in=None, problem="", sent_at=timezone.now())
    return True


def _must_wait(alert: Alert) -> bool:
    """The end is not told before the beginning: it would open what was just closed."""
    beginning = Alert.objects.filter(incident=alert.incident_id, action=AlertAction.TRIGGER)
    return (
        alert.action == AlertAction.RESOLVE
        and beginning.filter(next_attempt_at__isnull=False).exists()
    )


def address_of(alert: Alert) -> str:
    """The incident's page, for staff."""
    page = reverse("admin:redemption_incident_change", args=[alert.incident_id])
    return f"{settings.PORTAL_URL}{page}"


def _by_pagerduty(alert: Alert) -> str:
    """Why it did not leave; nothing when it did."""
    answer = pagerduty.send(alert, address=address_of(alert))
    return "" if answer.outcome is Outcome.SUCCEEDED else answer.told


def _by_mail(alert: Alert) -> str:
    """Why it did not leave; nothing when it did."""
    try:
        compose(alert).send()
    except (OSError, smtplib.SMTPException) as error:
        return type(error).__name__
    return ""


def compose(alert: Alert) -> EmailMessage:
    """The e-mail; the one about the end answers the one about the beginning."""
    facts = {
        "alert": alert,
        "incident": alert.incident,
        "what_to_do": GUIDE[alert.incident.kind].what_to_do,
        "resolved": alert.action == AlertAction.RESOLVE,
        "address": address_of(alert),
    }
    subject = render_to_string("redemption/email/alert.subject.txt", facts)
    first = f"<incident-{alert.incident_id}@{_host()}>"
    headers = {"Message-ID": first}
    if alert.action == AlertAction.RESOLVE:
        ours = f"<incident-{alert.incident_id}-resolved@{_host()}>"
        headers = {"Message-ID": ours, "In-Reply-To": first, "References": first}
    return EmailMessage(
        subject=" ".join(subject.split()),
        body=render_to_string("redemption/email/alert.txt", facts),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=settings.ALERT_EMAILS,
        headers=headers,
    )


def _host() -> str:
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ")
