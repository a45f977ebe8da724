"""PORTAL_PAUSED: after restoring a backup, nothing is sent until people have checked it."""

import logging

from django.conf import settings
from django.utils.translation import gettext_lazy as _

logger = logging.getLogger(__name__)

CLOSED = _(
    "Nothing can be redeemed at the moment, we are checking something. Your cart is kept as it is: "
    "please try again later."
)
LATER = _(
    "We are checking something at the moment: what you asked for is kept, and done once we go on."
)


def is_paused() -> bool:
    return bool(settings.PORTAL_PAUSED)


def say_so(who: str) -> None:
    """Log that the process is paused. Called once at its start."""
    logger.warning(
        "%s: PORTAL_PAUSED is set: no partner is called, no letter or alert is sent, no work is "
        "claimed until it is taken away and the process restarted",
        who,
    )
