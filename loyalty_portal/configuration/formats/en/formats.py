"""Django's English time formats, changed to show the time zone as data/texts/times.py does.

The admin shows all times in one of these formats.
"""

DATETIME_FORMAT = "N j, Y, H:i T"  # Nov. 26, 2026, 14:09 UTC
SHORT_DATETIME_FORMAT = DATETIME_FORMAT
