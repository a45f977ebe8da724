"""The portal's settings, with each line also in a file for each format, in the folder ALL_LINES."""

import os

from loyalty_portal.configuration.logs import FORMATS, formatter
from loyalty_portal.settings import *  # noqa: F403
from loyalty_portal.settings import LOGGING

for style in FORMATS:
    LOGGING["formatters"][style] = {"()": formatter, "style": style}
    LOGGING["handlers"][f"file-{style}"] = {
        "class": "logging.FileHandler",
        "filename": f"{os.environ['ALL_LINES']}/{style}.log",
        "formatter": style,
        "filters": ["refusals"],
    }
    LOGGING["root"]["handlers"].append(f"file-{style}")
