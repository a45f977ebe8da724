"""The scheduled tasks of accounts."""

from django.core.management import call_command

from accounts.see_as.services import end_late
from loyalty_portal.celery import app


@app.task
def clear_sessions() -> None:
    """Delete expired sessions."""
    call_command("clearsessions")


@app.task
def end_viewings() -> None:
    """Record the end of what staff saw as a seat, where the time is over and nobody ended it."""
    end_late()
