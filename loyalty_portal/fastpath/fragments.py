"""Caches rendered templates and fills per-request placeholders. Used for the most viewed pages.

Rendering a layout takes Django some thousand steps, and nearly all of its text is the same for
everybody. So a template is rendered once for each set of conditions, with a placeholder for each
value that differs, and each request fills the placeholders. What belongs to one person is only
ever such a value: the cached text is rendered without it, and can be shown to anybody.
"""

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from loyalty_portal import brand

_EDGE = "\x00"  # no text of a template has a NUL


class Chrome(NamedTuple):
    """The rendered parts around the content of every page; templates call it `chrome`."""

    balance: str
    menu: str
    nav: str
    messages: str


def cached_fragment(
    template: str, conditions: Mapping[str, Hashable], values: Mapping[str, str]
) -> SafeString:
    """The text of a template, rendered once for the same `conditions`, with `values` filled in.

    The text is cached for each combination of `conditions`, so these must have few values.
    `values` are escaped. The template can show them and no more: it must not compare or format
    them, since it is rendered with placeholders instead. A value named "a.b" is `a.b` there.
    """
    cut = _cut if settings.DEBUG else _cut_once  # who writes a template sees it as it is now
    pieces = list(
        cut(template, get_language(), brand.current(), (*conditions.items(),), (*values,))
    )
    for place in range(1, len(pieces), 2):
        pieces[place] = conditional_escape(values[pieces[place]])
    return mark_safe("".join(pieces))  # noqa: S308 - what templates made, and escaped values


def render_alone(template: str, /, **context: Any) -> SafeString:
    """Render a template without a request. It gets `context` and the brand, nothing else."""
    return render_to_string(template, {**brand.shown(), **context})


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
    """The rendered template in pieces: text, name of a placeholder, text, … and text."""
    context: dict[str, Any] = dict(conditions)
    for name in names:
        *path, last = name.split(".")
        place = context
        for step in path:
            place = place.setdefault(step, {})
        place[last] = mark_safe(f"{_EDGE}{name}{_EDGE}")  # noqa: S308 - a name of ours
    return tuple(render_alone(template, **context).split(_EDGE))


_cut_once = lru_cache(maxsize=512)(_cut)
