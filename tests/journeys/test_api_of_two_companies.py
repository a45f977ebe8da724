"""Nothing of one company is seen by another's key, in any operation of the API, and each operation
asks for its scope.

The operations come from the document, so a new one without a row here fails.
"""

import re
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.access import bearer
from accounts.access.keys import revoke_key
from accounts.invitations.services import invite
from accounts.models import (
    AccountManager,
    Address,
    ApiKey,
    Company,
    Invitation,
    KnownBalance,
    Role,
    Scope,
    hashed_key,
)
from loyalty_portal.api.v1 import api
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.feed.services import publish_all
from loyalty_portal.http.limits import Limit
from redemption.models import OrderItem, RedemptionOrder, WebhookEndpoint
from redemption.webhooks_out.services import add_endpoint, ping
from tests.accounts.access.making import new_key, owner_of
from tests.accounts.access.signing_in import signed_in
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.api.calls import Calls, answer_of, code, must_fit
from tests.redemption.factories import delivered_by_mail, paid, shipped

pytestmark = pytest.mark.django_db

ALL = frozenset(Role.values)
REDEEM = ALL - {Role.VIEWER}
OWNERS = frozenset({Role.OWNER})
APPROVE = frozenset({Role.OWNER, Role.APPROVER})
NO_KEY: frozenset[str] = frozenset()
TABLE = settings.BASE_DIR / "docs/api/access.md"


class Row(NamedTuple):
    """What an operation needs: the scope ("": none), and the role of the caller's seat. `people`:
    the roles of people, where those of keys are others.
    """

    scope: str
    roles: frozenset[str] = ALL
    people: frozenset[str] | None = None

    @property
    def roles_of_people(self) -> frozenset[str]:
        return self.roles if self.people is None else self.people


# The expectation, by the operation's id.
ROWS = {
    "getMe": Row(""),
    "getCompany": Row(""),
    "getBalance": Row("balance:read"),
    "listMembers": Row("members:read", OWNERS),
    "getMember": Row("members:read", OWNERS),
    "changeMember": Row("members:write", OWNERS),
    "removeMember": Row("members:write", OWNERS),
    "listInvitations": Row("members:read", OWNERS),
    "invite": Row("members:write", OWNERS),
    "getInvitation": Row("members:read", OWNERS),
    "takeInvitationBack": Row("members:write", OWNERS),
    "listProducts": Row("catalog:read"),
    "getProduct": Row("catalog:read"),
    "listCategories": Row("catalog:read"),
    "listOrders": Row("orders:read"),
    "getOrder": Row("orders:read"),
    "listOrderLines": Row("orders:read"),
    "listLineDeliveries": Row("orders:read"),
    "listApprovals": Row("orders:read", NO_KEY, APPROVE),
    "listAddresses": Row("orders:read", REDEEM),
    "getAddress": Row("orders:read", REDEEM),
    "addAddress": Row("orders:write", REDEEM),
    "changeAddress": Row("orders:write", REDEEM),
    "removeAddress": Row("orders:write", REDEEM),
    "previewOrder": Row("orders:write", REDEEM),
    "placeOrder": Row("orders:write", REDEEM),
    "cancelOrder": Row("orders:write", REDEEM),
    "approveOrder": Row("orders:write", NO_KEY, APPROVE),
    "rejectOrder": Row("orders:write", NO_KEY, APPROVE),
    "revealCodes": Row("codes:reveal", REDEEM),
    "listEvents": Row("orders:read"),
    "listWebhookEndpoints": Row("webhooks:write", OWNERS),
    "addWebhookEndpoint": Row("webhooks:write", OWNERS),
    "listWebhookDeliveries": Row("webhooks:write", OWNERS),
    "rotateWebhookSecret": Row("webhooks:write", OWNERS),
    "pingWebhookEndpoint": Row("webhooks:write", OWNERS),
    "replayWebhookEvents": Row("webhooks:write", OWNERS),
    "getWebhookEndpoint": Row("webhooks:write", OWNERS),
    "changeWebhookEndpoint": Row("webhooks:write", OWNERS),
    "removeWebhookEndpoint": Row("webhooks:write", OWNERS),
    "listTransactions": Row("transactions:read"),
    "getTransaction": Row("transactions:read"),
}
_LINE = {"sku": "NONE", "quantity": 1, "recipient": {"name": "Ada"}}
# What is sent, where a body is needed.
BODIES: dict[str, Any] = {
    "previewOrder": {"lines": [_LINE]},
    "placeOrder": {"lines": [_LINE], "expected_points": 0},
    "cancelOrder": {"reason": "Ordered twice"},
    "rejectOrder": {"reason": "Not this year"},
    "addAddress": {"name": "Ada", "address_line1": "Ring 1", "city": "Dubai", "country": "AE"},
    "changeAddress": {"name": "Grace"},
    "changeMember": {"is_active": True},
    "invite": {"email": "new@company.example", "role": "buyer"},
    "addWebhookEndpoint": {"url": "https://n.example/new", "events": ["order.placed"]},
    "changeWebhookEndpoint": {"events": ["order.placed"]},
    "replayWebhookEvents": {"since": "2026-01-01T00:00:00Z"},
}
# These tell the same to every company of a tier.
FOR_ALL = {"getProduct", "listProducts", "listCategories"}


@pytest.fixture(autouse=True)
def _as_many_calls_as_it_takes(settings: Any) -> None:
    settings.API_RATE_KEY = settings.API_RATE_COMPANY = 100_000


class Side(NamedTuple):
    """A company with a key, and what its addresses name."""

    seat: AccountManager
    calls: Calls
    ids: dict[str, str]

    @property
    def words(self) -> set[str]:
        """What must never reach another company."""
        ids = {value for name, value in self.ids.items() if name != "sku"}
        return {*ids, self.seat.company.name, str(self.seat.company_id)}


def side(name: str) -> Side:
    """A company with an order of a parcel and of codes, both delivered."""
    seat = SeatFactory.create(company__name=name, company__balance=9_000)
    by_mail, mug = ProductFactory.create(virtual=True), ProductFactory.create(in_stock=5)
    codes = paid(seat, (by_mail, 1), reference=f"ref-{name}")
    delivered_by_mail(codes, f"CODE-{name}")
    order = paid(seat, (mug, 2), reference=f"ref-{name}", note=f"note-{name}")
    shipped(order)
    # The partner did not answer a moment ago, so it is not asked.
    KnownBalance.objects.update(failed_at=timezone.now())
    ids = {
        "order": str(order.pk),
        "number": order.order_number,
        "codes": str(codes.pk),
        "line_id": str(order.items.get().pk),
        "transaction_id": str(order.transactions.get().pk),
        "reference": f"ref-{name}",
        "sku": mug.sku,
        "member_id": str(seat.pk),
        "address_id": str(address_of(seat.company).pk),
        "email": seat.email,
        "invitation_id": str(invited(seat.company).pk),
        "endpoint_id": str(told_at(seat.company, name).pk),
    }
    return Side(seat, Calls(new_key(seat.company, role=Role.OWNER)), ids)


def told_at(company: Company, name: str) -> WebhookEndpoint:
    """An endpoint of the company, with a ping that waits, and the events of its orders."""
    by = Actor.in_seat(owner_of(company))
    url = f"https://{name.lower()}.example/"
    made = add_endpoint(company=company, url=url, events=["order.placed"], by=by)
    ping(made.endpoint.pk, by=by)
    publish_all()
    return made.endpoint


def address_of(company: Company) -> Address:
    said = {"recipient_name": "Ada", "address_line1": "Ring 1", "city": "Dubai", "country": "AE"}
    return Address.objects.create(company=company, **said)


def invited(company: Company) -> Invitation:
    owner = Actor.in_seat(owner_of(company))
    email = f"invited@{company.pk}.example"
    return invite(company=company, email=email, role=Role.BUYER, by=owner)


class Operation(NamedTuple):
    """An operation of the document."""

    id: str
    method: str
    path: str

    def called(self, calls: Calls, ids: dict[str, str], query: str = "", **headers: str) -> Any:
        """Call it with these ids in its address."""
        headers = {"Idempotency-Key": uuid4().hex, **headers}
        where = filled(self.path, ids) + query
        return calls.call(self.method, where, BODIES.get(self.id), **headers)


def operations(*, method: str = "") -> list[Operation]:
    """The operations of the document, or those with this method."""
    found = [
        Operation(operation["operationId"], each, path)
        for path, methods in api.document["paths"].items()
        for each, operation in methods.items()
    ]
    return [operation for operation in found if method in {"", operation.method}]


def refused_keys(company: Company) -> dict[str, Calls]:
    """Calls with keys that are no good, by the reason."""
    made = {name: new_key(company) for name in ("revoked", "expired", "off")}
    made["elsewhere"] = new_key(company, allowed_networks=["192.0.2.1"])
    revoke_key(key=made["revoked"].key, reason="Lost", by=SYSTEM)
    ApiKey.objects.filter(pk=made["expired"].key.pk).update(expires_at="2020-01-01T00:00Z")
    AccountManager.objects.filter(pk=made["off"].key.seat_id).update(is_active=False)
    return {"nobody": Calls(""), **{name: Calls(each) for name, each in made.items()}}


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: ids[found[1]], path)


def test_each_operation_has_a_row_and_lets_in_whom_it_says(monkeypatch: Any) -> None:
    # replaced: the limit of strangers, whom this test plays very often
    monkeypatch.setattr(bearer, "BY_STRANGERS", Limit("all", most=10_000, seconds=60))
    own = side("Northwind")
    assert {operation.id for operation in operations()} == ROWS.keys()
    company = own.seat.company
    refused = refused_keys(company)
    scopes = {
        scope: Calls(new_key(company, scopes=[scope], role=Role.OWNER)) for scope in Scope.values
    }
    roles = {role: Calls(new_key(company, role=role)) for role in Role.values}
    people = people_of(company)
    stranger = signed_in(SeatFactory.create(owner=True).user).calls
    for operation in operations():
        row = ROWS[operation.id]
        for why, calls in refused.items():
            answer = operation.called(calls, own.ids)
            assert (answer.status_code, code(answer)) == (401, "unauthenticated"), (operation, why)
        for scope, calls in scopes.items():
            lacks = row.scope not in {"", scope}
            answer = operation.called(calls, own.ids)
            told = code(answer) if answer.status_code >= 400 else ""
            assert (told == "insufficient_scope") == lacks, (operation, scope, told)
        for role, calls in roles.items():
            answer = operation.called(calls, own.ids)
            told = code(answer) if answer.status_code >= 400 else ""
            forbids = role not in row.roles
            assert (told == "role_forbids") == forbids, (operation, role, told)
            assert answer.status_code == 200 or operation.method != "get" or forbids, operation
        for role, calls in people.items():
            answer = operation.called(calls, own.ids)
            told = code(answer) if answer.status_code >= 400 else ""
            forbids = role not in row.roles_of_people
            assert (told == "role_forbids") == forbids, (operation, role, told)
            assert told not in {"insufficient_scope", "unauthenticated"}, (operation, role, told)
            assert answer.status_code == 200 or operation.method != "get" or forbids, operation
        answer = operation.called(stranger, own.ids, **{"Portal-Company": str(company.pk)})
        assert (answer.status_code, code(answer)) == (403, "no_company"), operation


def test_the_table_in_the_documents_says_the_same() -> None:
    rows = re.findall(
        r"^\| (\w+) \| (`[^`]+`) \| (\S+) \| (.*) \|$", TABLE.read_text(), re.MULTILINE
    )
    told = {
        name: (scope.strip("`"), cells) for name, _call, scope, cells in rows if name != "operation"
    }
    assert told == {name: (row.scope or "none", cells_of(row)) for name, row in ROWS.items()}


def cells_of(row: Row) -> str:
    """Who may call it in each role, as the table says it."""
    others = "" if row.people is None else "stand-ins"  # they decide in the place of an approver
    by_role = [
        "all" if role in row.roles else "people" if role in row.roles_of_people else others
        for role in Role.values
    ]
    return " | ".join(by_role)


def people_of(company: Company) -> dict[str, Calls]:
    """A person of each role, who calls by token."""
    seats = {role: SeatFactory.create(company=company, role=role) for role in Role.values}
    return {role: signed_in(seat.user).calls for role, seat in seats.items()}


def test_each_answer_is_as_the_document_says() -> None:
    own = side("Northwind")
    for operation in operations(method="get"):
        if not ROWS[operation.id].roles:
            continue
        answer = operation.called(own.calls, own.ids)
        assert must_fit(answer_of(operation.id), answer.json()) == [], operation
        assert answer["Content-Type"] == "application/json"
        assert not re.search(r"\+00:00|T\d\d:\d\d:\d\d(\.\d+)?\"", answer.content.decode())
        head = own.calls.call("head", filled(operation.path, own.ids))
        assert (head.status_code, head.content) == (200, b""), operation
    full = own.calls.get(f"/orders/{own.ids['order']}?expand=lines,transactions")
    assert must_fit(answer_of("getOrder"), full.json()) == []
    for path, methods in api.document["paths"].items():
        options = own.calls.call("options", filled(path, own.ids))
        known = (
            {each.upper() for each in methods}
            | {"OPTIONS"}
            | ({"HEAD"} if "get" in methods else set())
        )
        assert (options.status_code, set(options["Allow"].split(", "))) == (204, known), path


@pytest.mark.parametrize("by", ["key", "token"])
def test_nothing_of_one_company_is_seen_by_another(by: str, settings: Any) -> None:
    settings.API_RATE_KEY = 100_000
    own, other = side("Northwind"), side("Southwind")
    if by == "token":
        owner = SeatFactory.create(company=own.seat.company, owner=True)
        own = own._replace(calls=signed_in(owner.user).calls)
    for operation in operations():
        row = ROWS[operation.id]
        if not (row.roles if by == "key" else row.roles_of_people):
            continue
        query = "?expand=lines,transactions" if operation.id in {"listOrders", "getOrder"} else ""
        mine = operation.called(own.calls, own.ids, query)
        assert mine.status_code == 200 or operation.method != "get", operation
        assert not [word for word in other.words if word in mine.content.decode()], operation
        if "{" not in operation.path or operation.id in FOR_ALL:
            continue
        unknown = {name: str(uuid4()) for name in own.ids}
        same_id = {"X-Request-Id": "the-same-one"}
        answers = [
            operation.called(own.calls, ids, query, **same_id)
            for ids in (other.ids, unknown, {**own.ids, "order": other.ids["order"]})
        ]
        assert {answer.status_code for answer in answers[:2]} == {404}, operation
        assert answers[0].content == answers[1].content, operation
        if "{order}" in operation.path:
            assert answers[2].content == answers[1].content, operation
    by_number = own.calls.get(f"/orders/{other.ids['number']}")
    assert by_number.status_code == 404
    # A line of one's own is not found under another order of one's own.
    elsewhere = f"/orders/{own.ids['codes']}/lines/{own.ids['line_id']}/deliveries"
    assert own.calls.get(elsewhere).status_code == 404
    for filters in ("reference=ref-Southwind", f"order_number={other.ids['number']}"):
        where = "/orders" if filters.startswith("ref") else "/transactions"
        assert own.calls.get(f"{where}?{filters}").json()["data"] == []


def test_codes_are_shown_to_who_may_see_them_and_each_look_is_recorded() -> None:
    own = side("Northwind")
    item = OrderItem.objects.get(order__pk=own.ids["codes"])
    path = f"/orders/{own.ids['codes']}/lines/{item.pk}/codes"
    answers = [own.calls.call("post", path, **{"X-Request-Id": f"look-{n}-of-2"}) for n in (1, 2)]
    # The key did not place the order, and its role approves nothing.
    assert {code(answer) for answer in answers} == {"order_forbids"}
    approver = Calls(new_key(own.seat.company, role=Role.APPROVER))
    assert code(approver.call("post", path)) == "order_forbids"
    RedemptionOrder.objects.filter(pk=own.ids["codes"]).update(
        account_manager=ApiKey.objects.get(secret_hash=hashed_key(own.calls.secret)).seat
    )
    for look in ("look-one", "look-two"):
        answer = own.calls.call("post", path, **{"X-Request-Id": look})
        assert must_fit(answer_of("revealCodes"), answer.json()) == []
        assert "CODE-Northwind" in answer.content.decode()
        assert answer["Cache-Control"] == "no-store"
        assert '"reveals";q=30;w=60' in answer["RateLimit-Policy"]
    seen = TrailEntry.objects.filter(kind=TrailKind.CODE_REVEALED).order_by("id")
    assert [entry.facts["request_id"] for entry in seen] == ["look-one", "look-two"]
    parcel = f"/orders/{own.ids['order']}/lines/{own.ids['line_id']}/codes"
    assert code(own.calls.call("post", parcel)) == "order_forbids"


def test_no_answer_holds_a_code() -> None:
    own = side("Northwind")
    for path in ("/orders?expand=lines,transactions", f"/orders/{own.ids['codes']}/lines"):
        assert "CODE-" not in own.calls.get(path).content.decode()


def test_a_cursor_of_another_company_or_list_is_no_place_here() -> None:
    own, other = side("Northwind"), side("Southwind")
    after = own.calls.get("/orders?limit=1").json()["next"].partition("after=")[2]
    assert own.calls.get(f"/orders?limit=2&after={after}").status_code == 200
    wrong = [
        (other, f"/orders?after={after}"),
        (own, f"/transactions?after={after}"),
        (own, f"/orders?status=COMPLETED&after={after}"),
        (own, f"/orders?after={after[:-3]}"),
        (own, "/orders?after=nonsense"),
        (own, "/orders?after=%00"),
    ]
    for who, path in wrong:
        answer = who.calls.get(path)
        assert answer.status_code == 422, path
        assert code(answer) in {"invalid_cursor", "invalid"}, path
