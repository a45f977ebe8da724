"""Members and invitations over the API, by the rules of seats: owners only, the last one stays."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AccountManager, Company, Invitation, PersonLetter, Role
from tests.accounts.access.making import new_key, owner_of
from tests.accounts.access.signing_in import signed_in
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.loyalty_portal.api.calls import Calls, code

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create()


@pytest.fixture
def calls(company: Company) -> Calls:
    return Calls(new_key(company, role=Role.OWNER))


@pytest.fixture
def buyer(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, role=Role.BUYER)


def change(calls: Calls, seat: AccountManager, said: Any, **headers: str) -> Any:
    return calls.call("patch", f"/members/{seat.pk}", said, **headers)


def test_people_are_listed_and_the_seats_of_keys_are_not(
    calls: Calls, company: Company, buyer: AccountManager
) -> None:
    owner = owner_of(company)
    listed = calls.every("/members")
    assert [each["email"] for each in listed] == [owner.email, buyer.email]
    assert [each["role"] for each in listed] == ["owner", "buyer"]
    assert [each["name"] for each in listed] == [owner.user.name, buyer.user.name]
    assert [each["last_seen_at"] for each in listed] == [None, None]
    signed_in(buyer.user)
    seen = calls.get(f"/members/{buyer.pk}").json()["last_seen_at"]
    assert abs(datetime.fromisoformat(seen) - timezone.now()) < timedelta(minutes=1)
    machine = company.seats.get(user__is_machine=True)
    assert calls.get(f"/members/{machine.pk}").status_code == 404
    assert change(calls, machine, {"role": "owner"}).status_code == 404


def test_a_member_gets_another_role_and_is_switched_off_and_on(
    calls: Calls, buyer: AccountManager
) -> None:
    seen = calls.get(f"/members/{buyer.pk}")
    told = change(calls, buyer, {"role": "approver"}, **{"If-Match": seen["ETag"]})
    assert (told.status_code, told.json()["role"]) == (200, "approver")
    late = change(calls, buyer, {"is_active": False}, **{"If-Match": seen["ETag"]})
    assert (late.status_code, code(late)) == (412, "precondition_failed")
    assert change(calls, buyer, {"is_active": False}).json()["is_active"] is False
    assert change(calls, buyer, {"is_active": False, "role": "viewer"}).json()["role"] == "viewer"
    assert change(calls, buyer, {}).json()["role"] == "viewer"
    assert change(calls, buyer, {"is_active": True}).json()["is_active"] is True
    assert PersonLetter.objects.filter(facts__change="role").exists()
    for _twice in range(2):
        assert calls.call("delete", f"/members/{buyer.pk}").status_code == 204
    buyer.refresh_from_db()
    assert not buyer.is_active


def test_a_person_whom_staff_switched_off_is_told_as_inactive(
    calls: Calls, buyer: AccountManager
) -> None:
    buyer.user.is_active = False
    buyer.user.save()
    assert calls.get(f"/members/{buyer.pk}").json()["is_active"] is False
    refused = change(calls, buyer, {"is_active": True})
    assert (refused.status_code, code(refused)) == (409, "member_refused")
    assert "Staff of the programme" in refused.json()["detail"]
    assert change(calls, buyer, {"is_active": False}).json()["is_active"] is False


def test_the_last_owner_stays_and_bad_changes_are_pointed_at(
    calls: Calls, company: Company
) -> None:
    owner = owner_of(company)
    for answer in (
        change(calls, owner, {"role": "buyer"}),
        change(calls, owner, {"is_active": False}),
        calls.call("delete", f"/members/{owner.pk}"),
    ):
        assert (answer.status_code, code(answer)) == (409, "member_refused")
        assert "last owner" in answer.json()["detail"]
    for said, pointer in (
        ({"role": "king"}, "/role"), ({"is_active": 1}, "/is_active"), ({"name": "x"}, "/name"),
    ):  # fmt: skip
        answer = change(calls, owner, said)
        assert (answer.status_code, code(answer)) == (422, "invalid")
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_somebody_is_invited_once_and_the_invitation_is_taken_back(calls: Calls) -> None:
    said = {"email": "New@b.example", "role": "buyer"}
    first = calls.call("post", "/invitations", said, **{"Idempotency-Key": "one"})
    assert (first.status_code, first.json()["email"]) == (201, "new@b.example")
    assert (first.json()["role"], first.json()["invited_by"]) == ("buyer", "ERP")
    ends = datetime.fromisoformat(first.json()["expires_at"])
    assert abs(ends - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    again = calls.call("post", "/invitations", said, **{"Idempotency-Key": "one"})
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    other = calls.call("post", "/invitations", said, **{"Idempotency-Key": "two"})
    assert (other.status_code, code(other)) == (409, "member_refused")
    wrong = {"email": "nobody", "role": "buyer"}
    refused = calls.call("post", "/invitations", wrong, **{"Idempotency-Key": "three"})
    assert code(refused) == "member_refused"
    assert code(calls.call("post", "/invitations", said)) == "idempotency_key_missing"
    assert [each["id"] for each in calls.every("/invitations")] == [first.json()["id"]]
    path = first["Location"]
    assert calls.get(path).json() == first.json()
    assert calls.call("delete", path).status_code == 204
    assert calls.call("delete", path).status_code == 404
    assert calls.get(path).status_code == 404
    assert calls.every("/invitations") == []
    assert Invitation.objects.get().end == "revoked"
