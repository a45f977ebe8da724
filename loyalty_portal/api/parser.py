"""Reads the body of a request as strict JSON."""

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from loyalty_portal.api.problems import ApiProblemError

DEEPEST = 32  # objects and arrays within each other


class StrictParser(Parser):
    """Refuses what JSON libraries let pass: NaN, a name twice in one object, deep nesting."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            read = json.loads(
                request.body.decode(), parse_constant=_no_number, object_pairs_hook=_once_each
            )
        except (ValueError, RecursionError) as error:
            raise ApiProblemError("malformed") from error
        if _is_deeper(read, DEEPEST):
            raise ApiProblemError("malformed")
        return read


def _no_number(text: str) -> float:
    raise ValueError(text)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("a name twice")
    return read


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether the value is nested deeper than so many levels."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not isinstance(value, dict | list):
        return False
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)
