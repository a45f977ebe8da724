"""What the bodies of all operations share: their base classes and their kinds of values.

A value of a request is taken as it is or refused, never converted: `"3"`, `true` and `1.0` are no
numbers.
"""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

Row = TypeVar("Row")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?")

USUAL_PAGE, LARGEST_PAGE = 50, 100
LARGEST_WHOLE = 2_147_483_647  # of a PostgreSQL integer


def _storable(text: str) -> str:
    """Refuse what PostgreSQL cannot store: NUL, and half of a surrogate pair."""
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise PydanticCustomError("not_text", "This has characters that no text has.")
    return text


Text = Annotated[StrictStr, AfterValidator(_storable)]


def _dated(value: object) -> object:
    """Refuse what is no date as YYYY-MM-DD: numbers count as seconds elsewhere."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return value
    raise PydanticCustomError("date", "This must be a date.")


def _timed(value: object) -> object:
    """Refuse what is no time of RFC 3339: numbers count as seconds elsewhere."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return value
    raise PydanticCustomError("time", "This must be a time.")


def _in_utc(moment: datetime) -> datetime:
    """Refuse a time whose day in UTC is before the year 1 or after 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("time", "This must be a time.") from None


Day = Annotated[date, BeforeValidator(_dated)]
Moment = Annotated[AwareDatetime, BeforeValidator(_timed), AfterValidator(_in_utc)]
Whole = Annotated[StrictInt, Field(ge=0, le=LARGEST_WHOLE)]


class RequestShape(BaseModel):
    """The base of bodies and parameters of requests: an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerShape(BaseModel):
    """The base of bodies of answers. What is absent is null, never missing. The document does not
    forbid further fields, which later releases may add.
    """

    model_config = ConfigDict(frozen=True)


class PageAsked(RequestShape):
    """The parameters of each list."""

    limit: int = Field(USUAL_PAGE, ge=1, le=LARGEST_PAGE, description="How many rows, 100 at most.")
    after: str = Field("", max_length=800, description="The cursor from `next` of the page before.")


class PageTold(AnswerShape, Generic[Row]):
    """One page of a list. `next` is the address of the next page, null on the last one."""

    data: list[Row]
    next: str | None = Field(examples=[None])


def known_values(values: list[str]) -> JsonDict:
    """The `json_schema_extra` of a text with values of today, to which others may be added."""
    return {"x-extensible-enum": [*values]}
