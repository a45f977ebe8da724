"""Every call that docs/api/README.md shows works as it stands there."""

import re
import shlex
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.company import members
from accounts.models import KnownBalance
from redemption.models import RecipientAsk, RedemptionOrder
from redemption.orders.api import acting, placing
from redemption.webhooks_out import api as webhooks
from tests.accounts.access.making import new_key
from tests.accounts.access.signing_in import signed_in
from tests.accounts.factories import PASSWORD, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.api.calls import Calls

pytestmark = pytest.mark.django_db
GUIDE = settings.BASE_DIR / "docs/api/README.md"


def shown_calls() -> list[list[str]]:
    """The arguments of each `curl` that the guide shows."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    commands = re.split(r"^\s*curl ", "\n".join(blocks), flags=re.MULTILINE)
    return [shlex.split(command) for command in commands if command.strip()]


def sent(arguments: list[str], variables: dict[str, str]) -> Any:
    """Send what curl would send, with these variables of the shell."""
    arguments = [
        re.sub(r"\$([A-Z]+)", lambda found: variables[found[1]], each) for each in arguments
    ]
    headers, body, rest = {}, None, arguments
    while len(rest) > 1:
        option, value = rest.pop(0), rest.pop(0)
        assert option in {"-H", "-d"}, option
        if option == "-d":
            body = value
        else:
            name, _colon, text = value.partition(": ")
            headers[name.lower()] = text
    return Calls("").call("post" if body else "get", rest[0], body, **headers)


def test_no_guide_shows_a_call_that_is_not_tried_here() -> None:
    shown = [path.read_text().count("curl ") for path in GUIDE.parent.glob("*.md")]
    assert sum(shown) == len(shown_calls()) > 0


def test_the_limits_that_the_guide_names_are_those_that_are_counted() -> None:
    told = " ".join(GUIDE.read_text().split())
    named = "60 orders for a key, 30 looks at codes, 10 invitations and 10 pings"
    assert named in told
    rates = (placing.ORDERS, acting.REVEALS, members.INVITATIONS, webhooks.PINGS)
    assert [str(rate.most) for rate in rates] == re.findall(r"\d+", named)


def test_each_shown_call_works() -> None:
    seat = SeatFactory.create(company__balance=9_000)
    KnownBalance.objects.update(failed_at=timezone.now())  # so the partner is not asked
    ProductFactory.create(sku="MUG-01", points_cost=300, in_stock=9)
    scopes = ["catalog:read", "balance:read", "orders:read", "orders:write"]
    app = signed_in(seat.user)
    variables = {
        "PORTAL": "",
        "KEY": new_key(seat.company, scopes=scopes).secret,
        "EMAIL": seat.email,
        "PASSWORD": PASSWORD,
        "COMPANY": str(seat.company_id),
        "ACCESS": app.access,
        "REFRESH": app.refresh,
    }
    answers = [sent(arguments, variables) for arguments in shown_calls()]
    by_key, by_token = answers[:7], answers[7:]
    assert [answer.status_code for answer in by_key] == [200, 200, 200, 200, 201, 200, 201]
    assert by_key[3].json()["total_points"] == 600
    order = RedemptionOrder.objects.get(reference="PO-4711")
    [found] = by_key[5].json()["data"]
    assert (found["id"], len(found["lines"])) == (str(order.pk), 1)
    assert RecipientAsk.objects.get().email == "grace@northwind.example"
    assert [answer.status_code for answer in by_token] == [200, 200, 200, 200]
    assert by_token[0].json()["meta"].keys() >= {"access_token", "refresh_token", "expires_in"}
    assert by_token[1].json()["kind"] == "person"
    assert by_token[3].json()["data"].keys() == {"access_token", "refresh_token", "expires_in"}
