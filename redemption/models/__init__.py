"""Orders and their points. A row is the intent, the queue entry and the record (saga.md)."""

from redemption.models.asks import RecipientAsk
from redemption.models.bulk import Bulk, BulkPart, BulkRow, BulkStatus
from redemption.models.cart import Cart, CartLine
from redemption.models.decisions import Decision
from redemption.models.figures import (
    DeskFigure,
    DurationFigure,
    FiguresMark,
    HourlyFigure,
    LineFigure,
    OrderFigure,
    PointsFigure,
    Stage,
)
from redemption.models.history import EventSubject, OrderEvent
from redemption.models.incidents import (
    Alert,
    AlertAction,
    Incident,
    IncidentCase,
    IncidentEvent,
)
from redemption.models.messages import (
    Callback,
    CallbackState,
    Letter,
    LetterKind,
    Sms,
)
from redemption.models.notes import OrderNote
from redemption.models.orders import OrderItem, RedemptionOrder
from redemption.models.points import LoyaltyTransaction, TransactionType
from redemption.models.questions import OrderMessage, OrderMessageKind, WaitingQuestion
from redemption.models.reconciliation import (
    Difference,
    ReconciledDay,
    Reconciliation,
    RunOutcome,
    StatementLine,
    StatementSource,
)
from redemption.models.returns import LineReturn, LineUnits
from redemption.models.schedules import Cadence, ReportSchedule
from redemption.models.waits import LineWait
from redemption.models.webhooks_out import (
    DisabledWhy,
    EndpointState,
    EventType,
    WebhookDelivery,
    WebhookEndpoint,
)

__all__ = [
    "Alert",
    "AlertAction",
    "Bulk",
    "BulkPart",
    "BulkRow",
    "BulkStatus",
    "Cadence",
    "Callback",
    "CallbackState",
    "Cart",
    "CartLine",
    "Decision",
    "DeskFigure",
    "Difference",
    "DisabledWhy",
    "DurationFigure",
    "EndpointState",
    "EventSubject",
    "EventType",
    "FiguresMark",
    "HourlyFigure",
    "Incident",
    "IncidentCase",
    "IncidentEvent",
    "Letter",
    "LetterKind",
    "LineFigure",
    "LineReturn",
    "LineUnits",
    "LineWait",
    "LoyaltyTransaction",
    "OrderEvent",
    "OrderFigure",
    "OrderItem",
    "OrderMessage",
    "OrderMessageKind",
    "OrderNote",
    "PointsFigure",
    "RecipientAsk",
    "ReconciledDay",
    "Reconciliation",
    "RedemptionOrder",
    "ReportSchedule",
    "RunOutcome",
    "Sms",
    "Stage",
    "StatementLine",
    "StatementSource",
    "TransactionType",
    "WaitingQuestion",
    "WebhookDelivery",
    "WebhookEndpoint",
]
