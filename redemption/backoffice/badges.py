"""The badges of statuses for staff: tone, icon and word."""

from django.utils.safestring import SafeString

from loyalty_portal.admin_site.base import badge
from loyalty_portal.data.texts.kept import retold
from redemption.models import (
    Incident,
    LoyaltyTransaction,
    OrderItem,
    Reconciliation,
    RedemptionOrder,
    RunOutcome,
)
from redemption.models.badges import line_word
from redemption.states import (
    IncidentStatus,
    LineStatus,
    OrderStatus,
    Severity,
    TransactionStatus,
)

_ORDERS = {
    OrderStatus.AWAITING_APPROVAL: ("warn", "approval"),
    OrderStatus.PENDING: ("live", ""),
    OrderStatus.CONFIRMED: ("live", "task_alt"),
    OrderStatus.IN_FULFILLMENT: ("live", "local_shipping"),
    OrderStatus.CANCELLING: ("warn", "hourglass_top"),
    OrderStatus.COMPLETED: ("ok", ""),
    OrderStatus.CANCELLED: ("quiet", "block"),
    OrderStatus.DECLINED: ("bad", "credit_card_off"),
    OrderStatus.REJECTED: ("quiet", "thumb_down"),
    OrderStatus.EXPIRED: ("quiet", "timer_off"),
}
_TRANSACTIONS = {
    TransactionStatus.INTENDED: ("quiet", ""),
    TransactionStatus.SENT: ("live", ""),
    TransactionStatus.UNKNOWN: ("warn", "help"),
    TransactionStatus.SUCCEEDED: ("ok", ""),
    TransactionStatus.REFUSED: ("bad", "block"),
    TransactionStatus.NEEDS_REVIEW: ("bad", "person_alert"),
}
_LINES = {
    LineStatus.WAITING: ("quiet", ""),
    LineStatus.QUEUED: ("live", "inbox"),
    LineStatus.REQUESTED: ("live", "hourglass_top"),
    LineStatus.PACKED: ("live", "inventory_2"),
    LineStatus.SHIPPED: ("live", "local_shipping"),
    LineStatus.DELIVERED: ("ok", ""),
    LineStatus.FAILED: ("bad", ""),
    LineStatus.CANCELLED: ("quiet", "block"),
    LineStatus.RETURNED: ("warn", "assignment_return"),
}
_SEVERITIES = {
    Severity.WARNING: ("warn", "warning"),
    Severity.ERROR: ("bad", "error"),
    Severity.CRITICAL: ("bad", "emergency_home"),
}
_INCIDENTS = {
    IncidentStatus.OPEN: ("bad", "notifications_active"),
    IncidentStatus.ACKNOWLEDGED: ("live", "person"),
    IncidentStatus.RESOLVED: ("ok", ""),
}
_RUNS = {
    RunOutcome.RUNNING: ("live", ""),
    RunOutcome.AGREED: ("ok", ""),
    RunOutcome.DIFFERS: ("bad", "difference"),
    RunOutcome.FAILED: ("warn", "cloud_off"),
}


def order_badge(order: RedemptionOrder) -> SafeString:
    tone, icon = _ORDERS[OrderStatus(order.status)]
    return badge(tone, order.get_status_display(), icon=icon)


def transaction_badge(transaction: LoyaltyTransaction) -> SafeString:
    tone, icon = _TRANSACTIONS[TransactionStatus(transaction.status)]
    return badge(tone, transaction.get_status_display(), icon=icon)


def line_badge(item: OrderItem) -> SafeString:
    tone, icon = _LINES[LineStatus(item.fulfillment_status)]
    return badge(tone, line_word(item), icon=icon)


def severity_badge(incident: Incident) -> SafeString:
    tone, icon = _SEVERITIES[Severity(incident.severity)]
    over = incident.status == IncidentStatus.RESOLVED
    return badge("quiet" if over else tone, incident.get_severity_display(), icon=icon)


def incident_badge(incident: Incident) -> SafeString:
    tone, icon = _INCIDENTS[IncidentStatus(incident.status)]
    return badge(tone, incident.get_status_display(), icon=icon)


def run_badge(run: Reconciliation) -> SafeString:
    tone, icon = _RUNS[RunOutcome(run.outcome)]
    return badge(tone, run.get_outcome_display(), icon=icon, title=retold(run.problem))
