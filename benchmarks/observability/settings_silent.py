"""The benchmark's settings without the line of each request, to measure what it costs."""

from benchmarks.settings import *  # noqa: F403
from benchmarks.settings import MIDDLEWARE as WITH_LINES

MIDDLEWARE = [name for name in WITH_LINES if not name.endswith(".tell_requests")]
