"""The programme's brand: its name, logo and accent colour, from settings.BRAND.

A brand may choose any accent colour. It is adjusted so that it has a contrast of 3:1 to the page
and 4.5:1 to text on it, in the light and the dark theme.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

Rgb = tuple[int, int, int]

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
# The page and text colours of static/css/portal/tokens.css, light and dark.
PAPER: Rgb = (252, 249, 245)
NIGHT: Rgb = (22, 19, 16)
WHITE: Rgb = (255, 255, 255)
STANDS_OUT = 3.0


@dataclass(frozen=True, eq=False)
class Brand:
    """The brand as templates use it. The four colours are "" when the default accent is used.

    Each is made once (`current`) and compared as itself: what is kept for a brand is looked up some
    hundred times for a page.
    """

    name: str
    logo: str
    accent: str = ""
    on_accent: str = ""
    accent_dark: str = ""
    on_accent_dark: str = ""

    @property
    def version(self) -> str:
        """A version that changes with the colours, so that browsers may cache brand.css forever."""
        return hashlib.sha256(self.accent.encode()).hexdigest()[:8]


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast ratio of two colours as WCAG defines it, 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def current() -> Brand:
    """The brand from the settings."""
    chosen = settings.BRAND  # read once, because each access to the settings costs time
    return _brand(chosen["name"], chosen["accent"], chosen["logo"])


def context(request: HttpRequest) -> dict[str, object]:  # noqa: ARG001 - a context processor's signature
    """Context processor: the brand and the addresses of the icons."""
    return shown()


def shown() -> dict[str, object]:
    """The template variables of the brand, the same for everybody."""
    return {
        "brand": current(),
        "icon_sprite": icon_sprite(),
        "static_host": settings.STATIC_HOST,
    }


def icon_sprite() -> str:
    """The address of the icons, always on the portal's own host: browsers take no `<use>` of an SVG
    from another one, whatever the content policy allows.
    """
    return static("img/icons.svg").removeprefix(settings.STATIC_HOST)


@require_safe
@cache_control(public=True, max_age=31536000, immutable=True)
def stylesheet(request: HttpRequest) -> HttpResponse:
    """Serve the brand's colours as /brand.css. base.html adds ?v=<version> to the address."""
    return render(request, "ui/brand.css", {"brand": current()}, content_type="text/css")


@lru_cache(maxsize=8)
def _brand(name: str, accent: str, logo: str) -> Brand:
    if not accent:
        return Brand(name=name, logo=logo)
    if not COLOUR.fullmatch(accent):
        raise ImproperlyConfigured(f"BRAND_ACCENT must be a colour like #254db1, not {accent!r}.")
    wanted: Rgb = (int(accent[1:3], 16), int(accent[3:5], 16), int(accent[5:7], 16))
    day, night = _apart(wanted, PAPER), _apart(wanted, NIGHT)
    return Brand(
        name=name,
        logo=logo,
        accent=_hex(day),
        on_accent=_hex(_text_on(day)),
        accent_dark=_hex(night),
        on_accent_dark=_hex(_text_on(night)),
    )


def _apart(colour: Rgb, ground: Rgb) -> Rgb:
    """Move a colour away from the background until it has enough contrast."""
    away = NIGHT if _luminance(ground) > 0.5 else WHITE
    steps = (_mix(colour, away, share / 20) for share in range(20))
    return next((step for step in steps if contrast(step, ground) >= STANDS_OUT), away)


def _text_on(colour: Rgb) -> Rgb:
    return max(WHITE, NIGHT, key=lambda ink: contrast(colour, ink))


def _mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _luminance(colour: Rgb) -> float:
    parts = [part / 255 for part in colour]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
