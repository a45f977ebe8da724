"""Names a browser in a few words, from what it says about itself."""

from django.utils.translation import gettext as _

# The first that the text contains counts: many name others, too.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(agent: str) -> str:
    """Such as “Firefox, Linux”. An unknown one is told with the first words of its own."""
    found = [
        next((name for mark, name in known if mark in agent), "") for known in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(filter(None, found)) or agent[:40] or _("Unknown browser")
