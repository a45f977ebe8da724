"""The portal's settings, in a process whose clock is CLOCK_OFF seconds ahead, or behind."""

import os
from datetime import UTC, datetime, timedelta

import time_machine

from loyalty_portal.settings import *  # noqa: F403

_off = timedelta(seconds=float(os.environ["CLOCK_OFF"]))
# It goes on at the usual speed.
time_machine.travel(datetime.now(UTC) + _off, tick=True).start()
