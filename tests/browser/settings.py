"""The portal's settings with production's error pages."""

from loyalty_portal.settings import *  # noqa: F403

DEBUG = False
SHOW_PARTS = True  # the page /ui/ is looked at too

# The sandbox can send codes again.
FULFILLMENT_API_RESEND = True
