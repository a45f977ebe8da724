"""The guide of the API as a company's engineer follows it: with curl, and with a typed client that
openapi-python-client makes from the committed document. Both call the running portal over HTTP.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from accounts.models import Role, Scope
from catalog.models import Product
from redemption.models import RedemptionOrder
from redemption.states import OrderStatus
from tests.accounts.access.making import new_key
from tests.redemption.world import World
from tests.support.stack import Stack

PASSWORD = "correct-horse-battery-staple"
ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/api/openapi-v1.json"
GUIDE = (ROOT / "docs/api/README.md").read_text()
needs_curl = pytest.mark.skipif(
    not shutil.which("curl"), reason="curl is missing (Debian: apt install curl)"
)


def blocks(language: str) -> list[str]:
    """What the guide shows in this language, without the indent of lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)```", GUIDE, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def named(product: Product, sku: str) -> None:
    Product.objects.filter(sku=sku).delete()
    Product.objects.filter(pk=product.pk).update(sku=sku)


def caller(stack: Stack, shop: World) -> dict[str, str]:
    """The environment of a company's system that has a key."""
    scopes = ["catalog:read", "balance:read", "orders:read", "orders:write", "transactions:read"]
    assert set(scopes) < set(Scope.values)
    key = new_key(shop.company, role=Role.BUYER, scopes=scopes)
    return os.environ | {"PORTAL": stack.url, "KEY": key.secret}


@needs_curl
def test_every_curl_of_the_guide_works(stack: Stack, shop: World, tmp_path: Path) -> None:
    named(shop.product(points=300), "MUG-01")
    person = shop.seat.user
    person.set_password(PASSWORD)
    person.save()
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    environment = caller(stack, shop) | {"CURL_HOME": str(tmp_path), "EMAIL": person.email}
    environment |= {"PASSWORD": PASSWORD, "COMPANY": str(shop.company.pk)}
    assert sum(each.count("curl ") for each in blocks("sh")) == GUIDE.count("curl -")
    said = ""
    for block in blocks("sh"):
        told = _done(["bash", "-ec", block], tmp_path, environment)
        tokens = re.findall(r'"(access|refresh)_token": *"([^"]+)"', told)
        environment |= {name.upper(): token for name, token in tokens}
        said += told
    order = RedemptionOrder.objects.get(reference="PO-4711", account_manager__company=shop.company)
    assert order.total_points == 600
    assert f'"id":"{order.pk}"' in said
    assert environment["ACCESS"]


def test_a_generated_client_is_strictly_typed_and_redeems(
    stack: Stack, shop: World, tmp_path: Path
) -> None:
    named(shop.virtual(points=1_500), "CARD-15")
    make = ["generate", "--path", str(DOCUMENT), "--meta", "none"]
    tools = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    python = [sys.executable, "-m"]
    _done(
        [*python, "openapi_python_client", *make, "--output-path", "portal_client"], tmp_path, tools
    )
    _mend(tmp_path / "portal_client/client.py")
    (script,) = blocks("python")
    (tmp_path / "redeem.py").write_text(script)
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    _done(
        [*python, "mypy", "--config-file", "mypy.ini", "redeem.py", "portal_client"],
        tmp_path,
        tools,
    )

    told = _done([sys.executable, "redeem.py"], tmp_path, caller(stack, shop))

    order = RedemptionOrder.objects.get(account_manager__company=shop.company)
    assert order.status == OrderStatus.COMPLETED
    assert shop.ledger(order) == (1_500, 0)
    assert f"{order.order_number}: COMPLETED, 1 delivered" in told
    assert "DEBIT 1500 SUCCEEDED" in told
    assert not stack.violations()


def _done(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _mend(file: Path) -> None:
    """Correct the one thing that mypy finds in the generator's own frame: version 0.29.1 types what
    `__exit__` passes on as `object`.
    """
    text = file.read_text()
    assert "*args: object" in text, "the generator was corrected: remove this"
    file.write_text(text.replace("*args: object", "*args: Any"))
