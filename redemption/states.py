"""The life cycles of saga.md as tables. No other code decides which status may follow."""

from datetime import timedelta

from django.db.models import IntegerChoices, TextChoices
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.lifecycle import LifeCycle

# An order of more lines is told together, and cancelled although some of them go on meanwhile.
FEW_LINES = 10


class OrderStatus(TextChoices):
    """The statuses of a redemption order."""

    AWAITING_APPROVAL = "AWAITING_APPROVAL", _("Waiting for approval")
    PENDING = "PENDING", _("Taking points")
    CONFIRMED = "CONFIRMED", _("Confirmed")
    IN_FULFILLMENT = "IN_FULFILLMENT", _("In progress")
    CANCELLING = "CANCELLING", _("Being cancelled")
    COMPLETED = "COMPLETED", _("Completed")
    CANCELLED = "CANCELLED", _("Cancelled")
    DECLINED = "DECLINED", _("Declined")
    REJECTED = "REJECTED", _("Not approved")
    EXPIRED = "EXPIRED", _("Approval ran out")


_O = OrderStatus
ORDER = LifeCycle(
    "order",
    initial=(_O.AWAITING_APPROVAL, _O.PENDING),
    table={
        _O.AWAITING_APPROVAL: (_O.PENDING, _O.REJECTED, _O.EXPIRED),
        _O.PENDING: (_O.CONFIRMED, _O.DECLINED, _O.CANCELLING),
        _O.CONFIRMED: (_O.IN_FULFILLMENT, _O.COMPLETED, _O.CANCELLED),
        _O.IN_FULFILLMENT: (_O.COMPLETED, _O.CANCELLED),
        _O.CANCELLING: (_O.CANCELLED,),
        _O.COMPLETED: (),
        _O.CANCELLED: (),
        _O.DECLINED: (),
        _O.REJECTED: (),
        _O.EXPIRED: (),
    },
)
# Not ended.
OPEN_ORDER = (_O.AWAITING_APPROVAL, _O.PENDING, _O.CONFIRMED, _O.IN_FULFILLMENT, _O.CANCELLING)
# How long an order may stay in these statuses before it is marked as stuck. The time counts from
# its step to the first of them.
DEADLINES = (
    ((_O.PENDING,), timedelta(minutes=15)),
    ((_O.CANCELLING,), timedelta(minutes=15)),
    ((_O.CONFIRMED, _O.IN_FULFILLMENT), timedelta(days=14)),
)
# In these, the time counts for a line that waited from the end of its wait.
COUNT_FROM_WAITS = frozenset({_O.CONFIRMED, _O.IN_FULFILLMENT})


class LineStatus(TextChoices):
    """The statuses of an order item (`fulfillment_status`)."""

    WAITING = "WAITING", _("Waiting")
    QUEUED = "QUEUED", _("Being prepared")
    REQUESTED = "REQUESTED", _("Being delivered")
    PACKED = "PACKED", _("Packed")
    SHIPPED = "SHIPPED", _("Shipped")
    DELIVERED = "DELIVERED", _("Delivered")
    FAILED = "FAILED", _("Could not be supplied")
    CANCELLED = "CANCELLED", _("Cancelled")
    RETURNED = "RETURNED", _("Returned")


_L = LineStatus
LINE = LifeCycle(
    "line",
    initial=(_L.WAITING,),
    table={
        _L.WAITING: (_L.QUEUED, _L.REQUESTED, _L.CANCELLED),
        _L.QUEUED: (_L.PACKED, _L.SHIPPED, _L.FAILED, _L.CANCELLED),
        _L.REQUESTED: (_L.DELIVERED, _L.FAILED, _L.CANCELLED),
        # A partly shipped line goes back to QUEUED.
        _L.PACKED: (_L.QUEUED, _L.SHIPPED, _L.FAILED),
        _L.SHIPPED: (_L.DELIVERED,),
        # Only a remedy decided by two people changes a wrong end.
        _L.DELIVERED: (_L.RETURNED, _L.FAILED),
        _L.FAILED: (_L.DELIVERED,),
        _L.CANCELLED: (_L.DELIVERED,),
        _L.RETURNED: (),
    },
)
# A settled line needs no more work, but a DELIVERED one may become RETURNED.
SETTLED_LINE = frozenset({_L.DELIVERED, _L.FAILED, _L.CANCELLED, _L.RETURNED})


class WaitsFor(TextChoices):
    """What a line waits for, in the status WAITING, after its order was confirmed."""

    DATE = "DATE", _("A date")
    RECIPIENT = "RECIPIENT", _("The recipient's answer")


class TransactionStatus(TextChoices):
    """The statuses of a loyalty transaction."""

    INTENDED = "INTENDED", _("Intended")
    SENT = "SENT", _("Asking")
    UNKNOWN = "UNKNOWN", _("No clear answer yet")
    SUCCEEDED = "SUCCEEDED", _("Done")
    REFUSED = "REFUSED", _("Refused")
    NEEDS_REVIEW = "NEEDS_REVIEW", _("A person must decide")


_T = TransactionStatus
TRANSACTION = LifeCycle(
    "transaction",
    initial=(_T.INTENDED,),
    table={
        _T.INTENDED: (_T.SENT,),
        _T.SENT: (_T.SUCCEEDED, _T.REFUSED, _T.UNKNOWN),
        _T.UNKNOWN: (_T.SENT, _T.NEEDS_REVIEW),
        # Two people decided with evidence, or decided to ask again.
        _T.NEEDS_REVIEW: (_T.SENT, _T.SUCCEEDED, _T.REFUSED),
        _T.SUCCEEDED: (),
        _T.REFUSED: (),
    },
)
UNCLEAR = frozenset({_T.UNKNOWN, _T.NEEDS_REVIEW})  # sent, without a clear answer
OPEN_TRANSACTION = frozenset({_T.INTENDED, _T.SENT}) | UNCLEAR


class Doubt(TextChoices):
    """The state of a transaction whose number the partner also gave to another one of ours."""

    ASK = "ASK", _("Its key is asked again")
    INSISTS = "INSISTS", _("Asked again, and the partner keeps to it")


class IncidentKind(TextChoices):
    """The kinds of incidents. redemption/incidents/guide.py gives severity and instructions."""

    MISMATCH = "MISMATCH", _("Answer that does not match")
    CONTRADICTION = "CONTRADICTION", _("Contradictory news")
    HORIZON = "HORIZON", _("Outcome unknown for too long")
    CREDIT_REFUSED = "CREDIT_REFUSED", _("Credit refused")
    CREDIT_LATE = "CREDIT_LATE", _("Credit that takes long")
    RECONCILIATION = "RECONCILIATION", _("Difference to the partner’s statement")
    STOCK_DRIFT = "STOCK_DRIFT", _("Stock that does not add up")
    STUCK_ORDER = "STUCK_ORDER", _("Order past its deadline")
    PUZZLING_CALLBACK = "PUZZLING_CALLBACK", _("Callback that cannot be processed")
    POISON_ROW = "POISON_ROW", _("Work that fails again and again")
    PARTNER_DOWN = "PARTNER_DOWN", _("Partner that does not answer")
    SWAPPED = "SWAPPED", _("Number of another transaction")
    CREDENTIALS = "CREDENTIALS", _("Credentials that are not accepted")
    UNREADABLE = "UNREADABLE", _("Stored code that cannot be read")


class Severity(IntegerChoices):
    """How soon somebody must look at an incident; a larger value is more severe."""

    WARNING = 1, _("Warning")
    ERROR = 2, _("Error")
    CRITICAL = 3, _("Critical")


class IncidentStatus(TextChoices):
    """The statuses of an incident."""

    OPEN = "OPEN", _("Open")
    ACKNOWLEDGED = "ACKNOWLEDGED", _("Somebody is on it")
    RESOLVED = "RESOLVED", _("Resolved")


_I = IncidentStatus
INCIDENT = LifeCycle(
    "incident",
    initial=(_I.OPEN,),
    table={
        _I.OPEN: (_I.ACKNOWLEDGED, _I.RESOLVED),
        # Who had it gives it back.
        _I.ACKNOWLEDGED: (_I.OPEN, _I.RESOLVED),
        # A problem that ended by itself and soon returns reopens its incident.
        _I.RESOLVED: (_I.OPEN,),
    },
)


class Verdict(TextChoices):
    """What two people decide about a transaction or a delivery without a clear answer."""

    TOOK_PLACE = "TOOK_PLACE", _("It took place")
    DID_NOT = "DID_NOT", _("It did not take place; give it up")
    ASK_AGAIN = "ASK_AGAIN", _("It did not take place; ask again")
    DELIVERED = "DELIVERED", _("The partner delivered it")
    UNDELIVERED = "UNDELIVERED", _("The partner did not deliver it")
    # For a line that ended wrongly.
    CODES = "CODES", _("The codes were wrong; give the right ones")
    CREDIT = "CREDIT", _("It was not delivered; give the points back")
    CORRECTION = "CORRECTION", _("It was delivered; take the points again, as the company agreed")
    WRITE_OFF = "WRITE_OFF", _("It was delivered; leave the points with the company")
    # For some units of a line.
    CREDIT_UNITS = "CREDIT_UNITS", _("Give the points of these units back")
    RETURNED = "RETURNED", _("It came back; give the points of so many units back")


_V = Verdict
ABOUT_POINTS = (_V.TOOK_PLACE, _V.DID_NOT, _V.ASK_AGAIN)
ABOUT_A_DELIVERY = (_V.DELIVERED, _V.UNDELIVERED)
REMEDIES = (_V.CODES, _V.CREDIT, _V.CORRECTION, _V.WRITE_OFF)
ABOUT_UNITS = (_V.CREDIT_UNITS, _V.RETURNED)


class DecisionStatus(TextChoices):
    """The statuses of a decision."""

    PROPOSED = "PROPOSED", _("Waits for a second person")
    CONFIRMED = "CONFIRMED", _("Confirmed")
    REJECTED = "REJECTED", _("Rejected")
    OVERTAKEN = "OVERTAKEN", _("Settled otherwise before")


_D = DecisionStatus
DECISION = LifeCycle(
    "decision",
    initial=(_D.PROPOSED,),
    table={
        _D.PROPOSED: (_D.CONFIRMED, _D.REJECTED, _D.OVERTAKEN),
        _D.CONFIRMED: (),
        _D.REJECTED: (),
        _D.OVERTAKEN: (),
    },
)


class DifferenceKind(TextChoices):
    """How our transactions and the partner's statement differ (docs/staff/reconciliation.md)."""

    MISSING_THERE = "MISSING_THERE", _("Missing at the partner")
    MISSING_HERE = "MISSING_HERE", _("Missing here")
    AMOUNT = "AMOUNT", _("Other points")
    ACCOUNT = "ACCOUNT", _("Other account")
    DUPLICATE = "DUPLICATE", _("Twice at the partner")
    SWAPPED = "SWAPPED", _("Number of another")
    WRONG_DEBIT = "WRONG_DEBIT", _("Booked on another debit")
    OTHER = "OTHER", _("Other kind, order or outcome")
