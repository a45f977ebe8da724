"""Every call that docs/api/README.md shows works as it stands there."""

import re
import shlex
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import KnownBalance
from redemption.models import RedemptionOrder
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.api.calls import Calls

pytestmark = pytest.mark.django_db
GUIDE = settings.BASE_DIR / "docs/api/README.md"


def shown_calls() -> list[list[str]]:
    """The arguments of each `curl` that the guide shows."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    commands = re.split(r"^\s*curl ", "\n".join(blocks), flags=re.MULTILINE)
    return [shlex.split(command) for command in commands if command.strip()]


def sent(calls: Calls, arguments: list[str]) -> Any:
    """Send what curl would send."""
    headers, body, rest = {}, None, list(arguments)
    while len(rest) > 1:
        option, value = rest.pop(0), rest.pop(0)
        assert option in {"-H", "-d"}, option
        if option == "-d":
            body = value
        else:
            name, _colon, text = value.partition(": ")
            headers[name.lower()] = text.replace("$KEY", calls.secret)
    assert headers["authorization"] == f"Bearer {calls.secret}"
    path = rest[0].removeprefix("$PORTAL")
    return calls.call("post" if body else "get", path, body, **headers)


def test_each_shown_call_works() -> None:
    company = CompanyFactory.create(balance=9_000)
    KnownBalance.objects.update(failed_at=timezone.now())  # so the partner is not asked
    ProductFactory.create(sku="MUG-01", points_cost=300, in_stock=9)
    scopes = ["catalog:read", "balance:read", "orders:read", "orders:write"]
    calls = Calls(new_key(company, scopes=scopes))
    answers = [sent(calls, arguments) for arguments in shown_calls()]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 201, 200]
    assert answers[3].json()["total_points"] == 600
    order = RedemptionOrder.objects.get(reference="PO-4711")
    [found] = answers[-1].json()["data"]
    assert (found["id"], len(found["lines"])) == (str(order.pk), 1)
