"""Nothing of one company is seen by another's key, in any operation of the API, and each operation
asks for its scope.

The operations come from the document, so a new one without a row here fails.
"""

import re
from typing import NamedTuple
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import AccountManager, KnownBalance, Role, Scope
from loyalty_portal.api.v1 import api
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.api.calls import Calls, answer_of, code, must_fit
from tests.redemption.factories import delivered_by_mail, paid, shipped
from tests.support.api_keys import new_key

pytestmark = pytest.mark.django_db

# What each operation needs, by its id: the expectation.
SCOPES = {
    "getMe": "",
    "getCompany": "",
    "getBalance": "balance:read",
    "listProducts": "catalog:read",
    "getProduct": "catalog:read",
    "listCategories": "catalog:read",
    "listOrders": "orders:read",
    "getOrder": "orders:read",
    "listOrderLines": "orders:read",
    "listLineDeliveries": "orders:read",
    "listTransactions": "transactions:read",
    "getTransaction": "transactions:read",
}
# These tell the same to every company of a tier.
FOR_ALL = {"getProduct", "listProducts", "listCategories"}


class Side(NamedTuple):
    """A company with a key, and what its addresses name."""

    seat: AccountManager
    calls: Calls
    ids: dict[str, str]

    @property
    def words(self) -> set[str]:
        """What must never reach another company."""
        return {*self.ids.values(), self.seat.company.name, str(self.seat.company_id)}


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
    }
    return Side(seat, Calls(new_key(seat.company)), ids)


def operations() -> dict[str, str]:
    """The path of each operation, by its id."""
    return {
        operation["operationId"]: path
        for path, methods in api.document["paths"].items()
        for operation in methods.values()
    }


def filled(path: str, ids: dict[str, str], sku: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: {**ids, "sku": sku}[found[1]], path)


def test_each_operation_says_what_it_needs_and_answers_no_single_other_scope() -> None:
    own, paths = side("Northwind"), operations()
    assert paths.keys() == SCOPES.keys()
    sku = ProductFactory.create().sku
    company = own.seat.company
    keys = {
        scope: Calls(new_key(company, scopes=[scope], role=Role.VIEWER)) for scope in Scope.values
    }
    for operation, path in paths.items():
        address, needed = filled(path, own.ids, sku), SCOPES[operation]
        assert code(Calls("").get(address)) == "unauthenticated", operation
        for scope, calls in keys.items():
            answer = calls.get(address)
            if needed in {"", scope}:
                assert answer.status_code == 200, (operation, scope, answer.content)
            else:
                assert (answer.status_code, code(answer)) == (403, "insufficient_scope"), operation


def test_each_answer_is_as_the_document_says() -> None:
    own, sku = side("Northwind"), ProductFactory.create().sku
    for operation, path in operations().items():
        answer = own.calls.get(filled(path, own.ids, sku))
        assert must_fit(answer_of(operation), answer.json()) == [], operation
        assert answer["Content-Type"] == "application/json"
        assert not re.search(r"\+00:00|T\d\d:\d\d:\d\d(\.\d+)?\"", answer.content.decode())
    full = own.calls.get(f"/orders/{own.ids['order']}?expand=lines,transactions")
    assert must_fit(answer_of("getOrder"), full.json()) == []


def test_nothing_of_one_company_is_seen_by_another() -> None:
    own, other = side("Northwind"), side("Southwind")
    sku = ProductFactory.create().sku
    for operation, path in operations().items():
        query = "?expand=lines,transactions" if operation in {"listOrders", "getOrder"} else ""
        mine = own.calls.get(filled(path, own.ids, sku) + query)
        assert mine.status_code == 200, operation
        assert not [word for word in other.words if word in mine.content.decode()], operation
        if "{" not in path or operation in FOR_ALL:
            continue
        unknown = {name: str(uuid4()) for name in own.ids}
        same_id = {"X-Request-Id": "the-same-one"}
        answers = [
            own.calls.get(filled(path, ids, sku) + query, **same_id)
            for ids in (other.ids, unknown, {**own.ids, "order": other.ids["order"]})
        ]
        assert {answer.status_code for answer in answers[:2]} == {404}, operation
        assert answers[0].content == answers[1].content, operation
        if "{order}" in path:
            assert answers[2].content == answers[1].content, operation
    by_number = own.calls.get(f"/orders/{other.ids['number']}")
    assert by_number.status_code == 404
    # A line of one's own is not found under another order of one's own.
    elsewhere = f"/orders/{own.ids['codes']}/lines/{own.ids['line_id']}/deliveries"
    assert own.calls.get(elsewhere).status_code == 404
    for filters in ("reference=ref-Southwind", f"order_number={other.ids['number']}"):
        where = "/orders" if filters.startswith("ref") else "/transactions"
        assert own.calls.get(f"{where}?{filters}").json()["data"] == []


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
