"""The scheduled tasks of accounts."""

from django.core.management import call_command

from loyalty_portal.celery import app


@app.task
def clear_sessions() -> None:
    """Delete expired sessions."""
    call_command("clearsessions")
