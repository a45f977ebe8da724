"""The parser of bodies refuses what JSON libraries let pass."""

import json
from typing import Any

import pytest
from django.test import RequestFactory
from pydantic import ValidationError

from loyalty_portal.api.parser import DEEPEST, StrictParser
from loyalty_portal.api.problems import ApiProblemError
from loyalty_portal.api.shapes import RequestShape, Text, Whole


class LineAsked(RequestShape):
    """A body as an operation may have it."""

    quantity: Whole
    note: Text = ""


def parsed(body: bytes) -> Any:
    request = RequestFactory().post("/", body, content_type="application/json")
    return StrictParser().parse_body(request)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 1}',
        b'{"b": [{"a": 1, "a": 2}]}',
        b'{"a": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b"[" * 200_000,
    ],
)
def test_what_is_no_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(ApiProblemError) as refused:
        parsed(body)
    assert refused.value.code == "malformed"


def test_strict_json_is_read() -> None:
    deep = b"[" * DEEPEST + b"]" * DEEPEST
    assert parsed(deep) == json.loads(deep)
    assert parsed('{"a": ["ä", 1, 2.5, null, true]}'.encode()) == {"a": ["ä", 1, 2.5, None, True]}


@pytest.mark.parametrize("value", ["3", True, 1.0, 1.5, None, [], -1, 2**31, 2**63])
def test_a_whole_number_is_nothing_else(value: Any) -> None:
    with pytest.raises(ValidationError):
        LineAsked.model_validate({"quantity": value})


def test_an_unknown_field_and_texts_that_cannot_be_stored_are_refused() -> None:
    for more in ({"colour": "red"}, {"note": "a\0b"}, {"note": "\ud800"}, {"note": 3}):
        with pytest.raises(ValidationError):
            LineAsked.model_validate({"quantity": 1, **more})
    assert LineAsked.model_validate({"quantity": 1, "note": "ä"}).note == "ä"
