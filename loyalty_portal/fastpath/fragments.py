"""Templates whose text is kept, with holes for what differs: for what is shown most often.

A layout costs Django some thousand steps each time, and all but a few words of it are the same
for everybody. So a template is rendered once for its conditions, and its holes are filled at
each request. What is one person's own only ever fills a hole: the kept text is made without it.
"""

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.engine import Engine
from django.template.loader import render_to_string
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from loyalty_portal import brand

_EDGE = "\x00"  # no text of a template has a NUL


class Chrome(NamedTuple):
    """What stands around the content of every page, as `chrome` in its template."""

    balance: str
    menu: str
    nav: str
    messages: str


def cached_fragment(
    template: str, conditions: Mapping[str, Hashable], values: Mapping[str, str]
) -> SafeString:
    """The text of a template, rendered once for the same `conditions`, of which there are few.

    `values` fill its holes and are escaped. The template can only show them: whether it does,
    and in what shape, is a condition. The name "a.b" is what the template calls `a.b`.
    """
    cut = _cut if settings.DEBUG else _cut_once  # who writes a template sees it as it is now
    pieces = list(
        cut(template, get_language(), brand.current(), (*conditions.items(),), (*values,))
    )
    for place in range(1, len(pieces), 2):
        pieces[place] = conditional_escape(values[pieces[place]])
    return mark_safe("".join(pieces))  # noqa: S308 - what templates made, and escaped values


def render_alone(template: str, /, **context: Any) -> SafeString:
    """A template rendered without a request: of what all of them know, it knows the brand."""
    return render_to_string(template, {**brand.shown(), **context})


def viewers_context(request: HttpRequest) -> dict[str, Any]:
    """What every template is told of the request, for a view that has use for it too."""
    told: dict[str, Any] = {}
    for processor in Engine.get_default().template_context_processors:
        told |= processor(request)
    return told


def cached_page(
    request: HttpRequest,
    template: str,
    chrome: Chrome,
    conditions: Mapping[str, Hashable],
    values: Mapping[str, str],
) -> HttpResponse:
    """A page that extends base.html, for somebody with a seat."""
    around = {f"chrome.{name}": text for name, text in chrome._asdict().items()}
    filled = {"csrf_token": get_token(request), **around, **values}
    return HttpResponse(cached_fragment(template, {"seat": True, **conditions}, filled))


def _cut(
    template: str,
    language: str,  # noqa: ARG001 - the text differs by it
    brand_shown: brand.Brand,  # noqa: ARG001 - and by this
    conditions: tuple[tuple[str, Hashable], ...],
    names: tuple[str, ...],
) -> tuple[str, ...]:
    """Text, name of a hole, text, … and text."""
    context: dict[str, Any] = dict(conditions)
    for name in names:
        *path, last = name.split(".")
        place = context
        for step in path:
            place = place.setdefault(step, {})
        place[last] = mark_safe(f"{_EDGE}{name}{_EDGE}")  # noqa: S308 - a name of ours
    return tuple(render_alone(template, **context).split(_EDGE))


_cut_once = lru_cache(maxsize=512)(_cut)
