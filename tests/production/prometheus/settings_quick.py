"""The portal's settings, where a port that was taken is tried again, and the state read, each second."""

from loyalty_portal.metrics import serving, state
from loyalty_portal.settings import *  # noqa: F403

# replaced: so that nobody waits for the true times
serving.AGAIN_SECONDS = 1.0
state.EVERY = 1.0
