"""Caches rendered templates and fills per-request placeholders. Used for the most viewed pages.

Rendering a layout takes Django about a thousand steps, although nearly all of its text is the same
for everybody. So a template is rendered once for each set of conditions, with a placeholder for
each value that differs, and each request fills the placeholders. Personal data is always such a
value, so the cached text can be shown to anybody.
"""

import html
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from loyalty_portal.configuration import brand

_EDGE = "\x00"  # a template's text has no NUL
Value = TypeVar("Value")


class Chrome(NamedTuple):
    """The rendered parts around the content of every page; templates call it `chrome`.

    `banner` and `seen_as` (an attribute) are "" except for staff who see the page as a seat.
    """

    balance: str
    menu: str
    nav: str
    messages: str
    banner: str
    seen_as: str


def cached_fragment(
    template: str, conditions: Mapping[str, Hashable], values: Mapping[str, str]
) -> SafeString:
    """Render a template once for the same `conditions`, and fill in `values` each time.

    The text is cached for each combination of `conditions`, so these must have few values. `values`
    are escaped. The template may show them, but not compare or format them, because it is rendered
    with placeholders. A value named "a.b" is `a.b` in the template. With FASTPATH=false the
    template is rendered each time with the values themselves.
    """
    return cached_fragments(template, [(conditions, values)])


def cached_fragments(
    template: str, parts: Iterable[tuple[Mapping[str, Hashable], Mapping[str, str]]]
) -> SafeString:
    """`cached_fragment` of each of `parts`, conditions and values, one after the other."""
    if not settings.FASTPATH:
        made = [render_alone(template, **_nested({**one, **other})) for one, other in parts]
        return mark_safe("".join(made))  # noqa: S308 - what templates made
    cut = _cut if settings.DEBUG else _cut_once  # during development templates change
    language, shown = get_language(), brand.current()
    filled: list[str] = []
    for conditions, values in parts:
        pieces = cut(template, language, shown, (*conditions.items(),), (*values,))
        filled += [
            _escaped(values[piece]) if place % 2 else piece for place, piece in enumerate(pieces)
        ]
    return mark_safe("".join(filled))  # noqa: S308 - what templates made, and escaped values


def _escaped(value: str) -> str:
    """As Django's conditional_escape, which looks for lazy texts first: a page has some hundred."""
    return value if isinstance(value, SafeString) else html.escape(str(value))


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
    """Render a page that extends base.html, for a person with a seat."""
    around = {f"chrome.{name}": text for name, text in chrome._asdict().items()}
    filled = {"csrf_token": get_token(request), **around, **values}
    return HttpResponse(cached_fragment(template, {"seat": True, **conditions}, filled))


def cached_value(
    key: str, *, version_keys: Sequence[str], seconds: int, make: Callable[[], Value]
) -> Value:
    """Return the value cached at `key`, or call `make` and cache its result for `seconds`.

    All processes share it. Changing a value at `version_keys` drops it. None is not cached:
    made-up keys would fill the cache with it. With FASTPATH=false `make` is called each time.
    """
    if not settings.FASTPATH:
        return make()
    found = cache.get_many([*version_keys, key])
    version = " ".join(found.get(each, "") for each in version_keys)
    entry: tuple[str, Value] | None = found.get(key)
    if entry is not None and entry[0] == version:
        return entry[1]
    value = make()
    if value is not None:
        cache.set(key, (version, value), seconds)
    return value


_held: dict[str, tuple[float, Any]] = {}


def held_value(key: str, *, seconds: float, make: Callable[[], Value]) -> Value:
    """Return the value held in this process at `key`, or what `make` returns, held for `seconds`.

    It must not be changed. With FASTPATH=false `make` is called each time.
    """
    if not settings.FASTPATH:
        return make()
    until, held = _held.get(key, (0.0, None))
    now = time.monotonic()
    if now >= until:
        held = make()
        _held[key] = (now + seconds, held)
    value: Value = held
    return value


def forget_held() -> None:
    """Have this process make its held values again."""
    _held.clear()


def _cut(
    template: str,
    language: str,  # noqa: ARG001 - the text differs by it
    brand_shown: brand.Brand,  # noqa: ARG001 - and by this
    conditions: tuple[tuple[str, Hashable], ...],
    names: tuple[str, ...],
) -> tuple[str, ...]:
    """The rendered template in pieces: text and names of placeholders in turn."""
    marks = {name: mark_safe(f"{_EDGE}{name}{_EDGE}") for name in names}  # noqa: S308 - ours
    context = _nested({**dict(conditions), **marks})
    return tuple(render_alone(template, **context).split(_EDGE))


def _nested(named: Mapping[str, Any]) -> dict[str, Any]:
    """A template context in which the value named "a.b" is found as `b` of `a`."""
    context: dict[str, Any] = {}
    for name, value in named.items():
        *path, last = name.split(".")
        place = context
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return context


_cut_once = lru_cache(maxsize=512)(_cut)
