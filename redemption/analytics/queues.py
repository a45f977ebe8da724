"""The queue of reports that are sent by e-mail (redemption/saga/queues.py)."""

from redemption.analytics.schedules import send_report
from redemption.models import ReportSchedule
from redemption.saga.queues import Queue

REPORTS_BY_MAIL = Queue("reports by e-mail", ReportSchedule, send_report)
