"""How Django writes times in English: like loyalty_portal.data.times.exact, with the time zone.

Everything in the back office that shows a time uses one of these formats. The rest is Django's.
"""

DATETIME_FORMAT = "N j, Y, H:i T"  # Nov. 26, 2026, 14:09 UTC
SHORT_DATETIME_FORMAT = DATETIME_FORMAT
