"""An operation that goes away says so a year before, in each answer and in the document."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.test import RequestFactory
from ninja import Router
from pydantic import Field

from loyalty_portal.api.calls import ApiCaller, Leaving, allowed
from loyalty_portal.api.portal_api import PortalAPI
from loyalty_portal.api.shapes import AnswerShape
from loyalty_portal.data.actor import SYSTEM

BEGIN, END = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


class OldTold(AnswerShape):
    """What it tells."""

    name: str = Field(examples=["old"])


def api_of_old(**rule: Any) -> PortalAPI:
    """An API with one operation."""
    router = Router(tags=["old"])

    @router.get("/old", response=OldTold, operation_id="getOld", summary="Get the old")
    @allowed("", personal=True, **rule)
    def old(request: Any) -> OldTold:
        """It goes away."""
        return OldTold(name="old")

    caller = ApiCaller(actor=SYSTEM, scopes=frozenset(), counted_as=uuid4())
    made = PortalAPI(title="", version="", description="", auth=lambda _request: caller)
    made.add_router("", router)
    return made


def answer_of_old(api: PortalAPI) -> Any:
    [view] = [each.callback for each in api._get_urls() if str(each.pattern) == "old"]
    assert view
    return view(RequestFactory().get("/old"))


def test_an_operation_that_goes_away_says_so_in_each_answer_and_in_the_document() -> None:
    api = api_of_old(leaves=Leaving(since=BEGIN, until=END))
    answer = answer_of_old(api)
    assert (answer.status_code, answer.content) == (200, b'{"name":"old"}')
    assert answer["Deprecation"] == "@1798761600"
    assert answer["Sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
    [methods] = api.document["paths"].values()
    assert (methods["get"]["deprecated"], methods["get"]["x-sunset"]) == (True, "2028-01-01")


def test_one_that_stays_says_nothing() -> None:
    api = api_of_old()
    assert not {"Deprecation", "Sunset"} & set(answer_of_old(api).headers)
    [methods] = api.document["paths"].values()
    assert "deprecated" not in methods["get"]


def test_an_operation_that_does_not_say_who_may_call_it_is_never_served() -> None:
    router, made = Router(), PortalAPI(title="", version="", description="", auth=None)

    @router.get("/open")
    def open_to_all(request: Any) -> None:
        """It says nothing."""

    made.add_router("", router)
    with pytest.raises(AttributeError, match="access_rule"):
        made._get_urls()


def test_nothing_goes_away_within_a_year() -> None:
    with pytest.raises(ValueError, match="a year"):
        Leaving(since=BEGIN, until=datetime(2027, 12, 31, tzinfo=UTC))
