"""The address book over the API: by the checks of the checkout's page, and each company its own."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from accounts.access import once
from accounts.models import Address, Company, KeyedApiCall, Role
from loyalty_portal.api.calls import result_response
from loyalty_portal.fastpath.updates import update
from redemption.checkout import selectors
from redemption.orders.api import addresses
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory
from tests.loyalty_portal.api.calls import Calls, answer_of, code, must_fit
from tests.redemption.orders.api.test_api_orders import ADA

pytestmark = pytest.mark.django_db
NULLS = {"address_line2": None, "region": None}


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create()


@pytest.fixture
def calls(company: Company) -> Calls:
    return Calls(new_key(company))


def add(calls: Calls, key: str = "one", **changes: Any) -> Any:
    return calls.call("post", "/addresses", {**ADA, **changes}, **{"Idempotency-Key": key})


def change(calls: Calls, path: str, said: Any, **headers: str) -> Any:
    return calls.call("patch", path, said, **headers)


def test_an_address_is_kept_found_changed_and_removed(calls: Calls, company: Company) -> None:
    made = add(calls, postcode=" 10115 ", country="Germany")
    assert made.status_code == 201, made.content
    told, path = made.json(), made["Location"]
    assert must_fit(answer_of("addAddress"), told) == []
    assert {name: told[name] for name in (*ADA, *NULLS)} == {**ADA, **NULLS}
    assert add(calls, postcode=" 10115 ", country="Germany")["Idempotent-Replayed"] == "true"
    assert selectors.address_book(company.seats.get(role=Role.BUYER), "")[0].value == told["id"]
    found = calls.get(path)
    assert (found.json(), found["ETag"]) == (told, made["ETag"])
    assert calls.get(path, **{"If-None-Match": found["ETag"]}).status_code == 304
    moved = {"address_line1": "Unter den Linden 1", "phone": None}
    changed = change(calls, path, moved, **{"If-Match": found["ETag"]})
    assert changed.json() == {**told, **moved}
    late = change(calls, path, {"city": "Bonn"}, **{"If-Match": found["ETag"]})
    assert (late.status_code, code(late)) == (412, "precondition_failed")
    gone = calls.call("delete", path, **{"If-Match": found["ETag"]})
    assert (gone.status_code, code(gone)) == (412, "precondition_failed")
    assert change(calls, path, {}).json() == {**told, **moved}
    second = add(calls, key="two", name="Grace Hopper").json()
    assert [each["name"] for each in calls.every("/addresses?limit=1")] == [
        "Ada Byron", "Grace Hopper",
    ]  # fmt: skip
    assert calls.call("delete", path).status_code == 204
    assert calls.call("delete", path).status_code == 404
    assert [each["id"] for each in calls.every("/addresses")] == [second["id"]]


@pytest.mark.parametrize(
    ("said", "pointers"),
    [
        ({"name": ""}, ["/name"]),
        ({"name": "", "city": "", "country": "Atlantis"}, ["/city", "/country", "/name"]),
        ({"postcode": "1"}, ["/postcode"]),
        ({"postcode": ""}, ["/postcode"]),
        ({"email": "nobody"}, ["/email"]),
        ({"phone": 49}, ["/phone"]),
        ({"city": "a\0"}, ["/city"]),
        ({"region": "x" * 121}, ["/region"]),
        ({"company": "other"}, ["/company"]),
    ],
)
def test_what_the_page_would_not_accept_is_pointed_at(
    said: Any, pointers: list[str], calls: Calls
) -> None:
    path = add(calls).headers["Location"]
    for answer in (add(calls, key="two", **said), change(calls, path, said)):
        assert (answer.status_code, code(answer)) == (422, "invalid")
        errors = answer.json()["errors"]
        assert sorted({error["pointer"] for error in errors}) == pointers
        assert all(error["detail"] for error in errors)
    assert Address.objects.get().recipient_name == "Ada Byron"


def test_an_address_of_another_company_is_answered_as_one_that_is_not_there(calls: Calls) -> None:
    foreign = add(Calls(new_key(CompanyFactory.create())))["Location"]
    unknown = "/api/v1/addresses/00000000-0000-7000-8000-000000000000"
    same = {"X-Request-Id": "the-same-id"}
    for method, said in (("get", None), ("patch", {"city": "Bonn"}), ("delete", None)):
        there, nowhere = (calls.call(method, path, said, **same) for path in (foreign, unknown))
        assert (there.status_code, code(there)) == (404, "not_found")
        assert there.content == nowhere.content
    assert calls.every("/addresses") == []
    assert Address.objects.get().city == "Berlin"


def test_the_book_is_for_who_may_redeem_and_it_is_full_some_day(
    company: Company, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = Calls(new_key(company, role=Role.VIEWER))
    assert code(viewer.get("/addresses")) == "role_forbids"
    # replaced: a book that is full with one address
    monkeypatch.setattr(addresses, "MOST_ADDRESSES", 1)
    path = add(calls)["Location"]
    full = add(calls, key="two")
    assert (full.status_code, code(full)) == (409, "address_refused")
    calls.call("delete", path)
    assert add(calls, key="two").status_code == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("is_guarded", "statuses"), [(True, [409, 201]), (False, [201, 201])], ids=["guard", "none"]
)
def test_a_call_that_another_took_over_meanwhile_undoes_its_work(
    is_guarded: bool, statuses: list[int], calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was slower than its lease. Without the guard, the negative control, both do the work."""
    others: list[Any] = []

    def take_over() -> Any:
        try:
            KeyedApiCall.objects.update(lease_until="2020-01-01T00:00Z")
            return add(Calls(calls.secret))
        finally:
            connection.close()

    def answered(result: Any) -> Any:
        # replaced: back to our own, because only the first call is overtaken
        monkeypatch.setattr(once, "result_response", result_response)
        with ThreadPoolExecutor(1) as process:
            others.append(process.submit(take_over).result())
        return result_response(result)

    # replaced: the first call is overtaken before its answer is kept
    monkeypatch.setattr(once, "result_response", answered)
    if not is_guarded:
        # replaced: whether the call was still ours
        monkeypatch.setattr(once, "update", lambda *given: update(*given) or 1)
    first = add(calls)
    assert [first.status_code, others[0].status_code] == statuses
    assert Address.objects.count() == statuses.count(201)
    if is_guarded:
        assert (code(first), int(first["Retry-After"]) >= 1) == ("idempotency_in_progress", True)
        again = add(calls)
        assert (again.content, again["Idempotent-Replayed"]) == (others[0].content, "true")
