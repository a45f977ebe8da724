"""E-mails: makes them from templates, and sends one with a plain answer."""

import re
import smtplib
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.template.loader import render_to_string

from loyalty_portal.data.leases import backoff
from loyalty_portal.data.one_line import one_line, render_plain

MOST_TRIES = 20  # over about a day; then a person must look at it


def written(
    template: str, facts: Mapping[str, Any], *, to: str, name: str
) -> EmailMultiAlternatives:
    """The e-mail from `<template>.subject.txt`, `.txt` and `.html`. `name` is the same however
    often it is sent, so that mail programs drop a copy.
    """
    facts = dict(facts)
    message = EmailMultiAlternatives(
        subject=one_line(render_plain(f"{template}.subject.txt", facts)),
        body=re.sub(r"\n{3,}", "\n\n", render_plain(f"{template}.txt", facts)),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[to],
        headers={"Message-ID": message_id(name)},
    )
    message.attach_alternative(render_to_string(f"{template}.html", facts), "text/html")
    return message


def message_id(name: str) -> str:
    """The Message-ID of this name at the portal's own host."""
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ")
    return f"<{name}@{host}>"


def sent(message: EmailMessage) -> str:
    """Send it. Returns the name of what failed; "" when it was sent."""
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        return type(error).__name__
    return ""


def next_try_in(attempts: int) -> float | None:
    """The seconds until a letter that could not be sent is tried again; None when it is not."""
    return backoff(attempts, base=10.0, cap=3600.0) if attempts < MOST_TRIES else None
