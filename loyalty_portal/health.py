"""Two addresses for probes: whether the process answers, and whether it can work."""

import logging
from functools import cache
