"""Scheduled work about the audit."""

from celery import shared_task

from loyalty_portal.audit.chain import head, tell_head


@shared_task(name="audit.tasks.log_head")
def log_head() -> None:
    """Write the head of the chain to the log, also on a day on which nothing was chained."""
    tell_head(head())
