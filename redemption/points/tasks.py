"""Scheduled Celery tasks about points.

Task names are the ones of the first version, so that its queued messages still run.
"""

import logging

from django.conf import settings

from accounts.models import Company
from loyalty_portal.celery import app, nudge
from redemption.points.reconciliation.services import ReconciliationError, reconcile
from redemption.points.theirs import read_theirs

logger = logging.getLogger(__name__)


@app.task(name="redemption.tasks.reconcile_all")
def reconcile_all() -> None:
    """Start a comparison with the statement for every company."""
    if settings.LOYALTY_API_STATEMENT:
        for company_id in Company.objects.values_list("pk", flat=True):
            nudge(reconcile_company, company_id)


@app.task(name="redemption.tasks.reconcile_company")
def reconcile_company(company_id: str) -> None:
    """Read what is new in one company's statement, and compare the company with it. A failed run
    says so in its row.
    """
    try:
        company = Company.objects.get(pk=company_id)
        read_theirs(company=company)
        reconcile(company=company)
    except ReconciliationError as error:
        logger.warning("company %s was not reconciled: %s", company_id, error)
