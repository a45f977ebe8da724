"""Scheduled work about the audit."""

import logging

from celery import shared_task

from loyalty_portal.audit.chain import head

logger = logging.getLogger(__name__)


@shared_task(name="audit.tasks.log_head")
def log_head() -> None:
    """Write the head of the chain to the log, which nobody with the database alone can change."""
    logger.info("audit: the head of the chain is %s", head() or "nothing yet")
