"""The statuses of a fulfillment and of a call, and how they may change."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from loyalty_portal.data.lifecycle import LifeCycle


class FulfillmentStatus(TextChoices):
    """The statuses of a fulfillment: at the desk from QUEUED, at the partner from REQUESTED."""

    QUEUED = "QUEUED", _("In the queue")
    REQUESTED = "REQUESTED", _("Asked of the partner")
    PACKED = "PACKED", _("Packed")
    SHIPPED = "SHIPPED", _("Shipped")
    DELIVERED = "DELIVERED", _("Delivered")
    FAILED = "FAILED", _("Could not be supplied")
    CANCELLED = "CANCELLED", _("Cancelled")
    RETURNED = "RETURNED", _("Returned")


_S = FulfillmentStatus
FULFILLMENT = LifeCycle(
    "fulfillment",
    initial=(_S.QUEUED, _S.REQUESTED),
    table={
        _S.QUEUED: (_S.PACKED, _S.SHIPPED, _S.FAILED, _S.CANCELLED),
        _S.REQUESTED: (_S.DELIVERED, _S.FAILED, _S.CANCELLED),
        # A partly shipped fulfillment goes back to QUEUED.
        _S.PACKED: (_S.QUEUED, _S.SHIPPED, _S.FAILED),
        _S.SHIPPED: (_S.DELIVERED,),
        # Only a remedy decided by two people changes a wrong end.
        _S.DELIVERED: (_S.RETURNED, _S.FAILED),
        _S.FAILED: (_S.DELIVERED,),
        _S.CANCELLED: (_S.DELIVERED,),
        _S.RETURNED: (),
    },
)


# At the desk and still to be sent.
TO_SEND = (_S.QUEUED, _S.PACKED)
# Units that were delivered may come back in these, also while others are still to be sent.
RETURNABLE = (_S.QUEUED, _S.PACKED, _S.SHIPPED, _S.DELIVERED)


class Withdrawal(TextChoices):
    """Whether a fulfillment can still be withdrawn: at once, by asking the partner, or why not."""

    NOW = "NOW", _("can be cancelled at once")
    ASK = "ASK", _("our partner can be asked to stop it")
    ASKED = "ASKED", _("our partner has been asked to stop it and has not answered yet")
    REFUSED = "REFUSED", _("our partner could not stop it any more")
    CLAIMED = "CLAIMED", _("somebody at the desk is working on it")
    PACKED = "PACKED", _("it is packed")
    PARTLY_SENT = "PARTLY_SENT", _("a part of it has been sent")
    SENT = "SENT", _("it is on its way")
    DELIVERED = "DELIVERED", _("it has arrived")
    SETTLED = "SETTLED", _("it has ended already")


# The statuses in which cancelling changes something.
WITHDRAWABLE = frozenset({Withdrawal.NOW, Withdrawal.ASK})


class ReturnedTo(TextChoices):
    """Where pieces that came back go."""

    STOCK = "STOCK", _("Back to the stock")
    WRITTEN_OFF = "WRITTEN_OFF", _("Written off")


class CallKind(TextChoices):
    """The kind of a call to the partner."""

    REQUEST = "REQUEST", _("Deliver")
    CANCEL = "CANCEL", pgettext_lazy("call to the partner", "Cancel")
    RESEND = "RESEND", _("Send again")


class CallStatus(TextChoices):
    """A call to a partner: its three outcomes, and the statuses before and beside them."""

    INTENDED = "INTENDED", _("Intended")
    SENT = "SENT", _("Asking")
    UNKNOWN = "UNKNOWN", _("No clear answer yet")
    SUCCEEDED = "SUCCEEDED", _("Done")
    REFUSED = "REFUSED", _("Refused")
    NEEDS_REVIEW = "NEEDS_REVIEW", _("A person must decide")
    WITHDRAWN = "WITHDRAWN", _("Withdrawn before it was sent")


_C = CallStatus
CALL = LifeCycle(
    "fulfillment call",
    initial=(_C.INTENDED,),
    table={
        _C.INTENDED: (_C.SENT, _C.WITHDRAWN),
        _C.SENT: (_C.SUCCEEDED, _C.REFUSED, _C.UNKNOWN),
        _C.UNKNOWN: (_C.SENT, _C.NEEDS_REVIEW, _C.SUCCEEDED),
        # Two people decided, with evidence; the partner may have forgotten the key.
        _C.NEEDS_REVIEW: (_C.SUCCEEDED, _C.REFUSED),
        _C.SUCCEEDED: (),
        _C.REFUSED: (),
        _C.WITHDRAWN: (),
    },
)
# The partner is being asked or will be, always with the same key.
OPEN_CALL = frozenset({_C.INTENDED, _C.SENT, _C.UNKNOWN})
