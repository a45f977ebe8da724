"""The tasks of accounts."""

import uuid
from functools import partial

from django.core.management import call_command
from django.db import transaction

from accounts.access import once
from accounts.access.key_letters import tell_expiring
from accounts.access.sessions import forget_ended
from accounts.models import PersonLetter
from accounts.seats import letters
from accounts.seats.see_as.services import end_late
from loyalty_portal.celery import app, nudge
from loyalty_portal.queue.pause import is_paused

MOST_SENT = 50  # letters that are queued at once; the sweeper finds the others


@app.task
def clear_sessions() -> None:
    """Delete expired sessions with what was written down about them, and old calls of the API that
    made nothing.
    """
    call_command("clearsessions")
    forget_ended()
    once.forget_old()


@app.task
def end_viewings() -> None:
    """Record the end of what staff saw as a seat, where the time is over and nobody ended it."""
    end_late()


@app.task
def send_letter(letter_id: str) -> None:
    """Send one letter about a seat or an invitation."""
    if not is_paused():
        letters.send_letter(uuid.UUID(letter_id))


@app.task
def tell_expiring_keys() -> None:
    """Write and queue the letters about API keys that expire soon."""
    for company_id in tell_expiring():
        send_letters_of(company_id)


def send_letters_of(company_id: uuid.UUID) -> None:
    """Queue the company's letters that are due once the current transaction commits."""
    transaction.on_commit(partial(_queue, company_id), robust=True)


def _queue(company_id: uuid.UUID) -> None:
    due = PersonLetter.objects.due().filter(company=company_id).values_list("pk", flat=True)
    for key in due[:MOST_SENT]:
        nudge(send_letter, key)
