"""What Celery workers do about points by the clock.

Their names are those of the first version, whose messages may still be on their way.
"""

import logging

from django.conf import settings

from accounts.models import Company
from loyalty_portal.celery import app, nudge
from redemption.points.reconciliation.services import ReconciliationError, reconcile

logger = logging.getLogger(__name__)


@app.task(name="redemption.tasks.reconcile_all")
def reconcile_all() -> None:
    """Have every company compared with its statement (by the clock)."""
    if settings.LOYALTY_API_STATEMENT:
        for company_id in Company.objects.values_list("pk", flat=True):
            nudge(reconcile_company, company_id)


@app.task(name="redemption.tasks.reconcile_company")
def reconcile_company(company_id: str) -> None:
    """Compare one company with its statement; a run that fails says so in its row."""
    try:
        reconcile(company=Company.objects.get(pk=company_id))
    except ReconciliationError as error:
        logger.warning("company %s was not reconciled: %s", company_id, error)
