"""Django's German time formats, changed to show the time zone as data/texts/times.py does."""

DATETIME_FORMAT = "j. N Y, H:i T"  # 26. Nov. 2026, 14:09 CET
SHORT_DATETIME_FORMAT = DATETIME_FORMAT
