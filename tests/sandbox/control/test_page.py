"""The sandbox's page works with plain forms, and escapes foreign texts."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.sandbox.conftest import ACCOUNT, Send
from tests.support.sandbox_process import SandboxProcess

NASTY = '<script>alert("x")</script>'


@pytest.fixture
def page(client: httpx.Client) -> str:
    response = client.get("/")
    assert response.status_code == 200
    return response.text


def test_the_page_shows_accounts_movements_and_fulfillments(
    client: httpx.Client, debit: Send, fulfill: Send
) -> None:
    debit()
    fulfill("F-77")
    text = client.get("/").text
    assert all(word in text for word in (ACCOUNT, "R-1", "F-77", "900", "GIFT-50"))


def test_the_page_offers_every_fault(page: str) -> None:
    for fault in ("timeout_after", "slow_drip", "huge", "forge", "contradict", "same_code"):
        assert f'name="fault" value="{fault}"' in page


def test_what_strangers_wrote_is_escaped(
    client: httpx.Client, sandbox: SandboxProcess, debit: Send, fulfill: Send
) -> None:
    sandbox.account(NASTY, 10)
    debit(account_id=NASTY, reference=NASTY, points=1)
    fulfill(NASTY, sku=NASTY)
    sandbox.fault("debit", "refuse", match=NASTY, code=NASTY)
    text = client.get("/").text
    assert NASTY not in text
    assert "&lt;script&gt;" in text


def test_the_page_needs_no_other_host_and_no_script(client: httpx.Client, page: str) -> None:
    assert set(re.findall(r"https?://[^/:\"]+", page)) <= {"http://127.0.0.1"}
    assert "<script" not in page
    assert "style=" not in page
    assert "default-src 'none'" in client.get("/").headers["Content-Security-Policy"]
    assert client.get("/sandbox.css").headers["content-type"].startswith("text/css")


def test_a_fault_is_turned_on_and_off_with_forms(
    client: httpx.Client, sandbox: SandboxProcess
) -> None:
    form = {"fault": "late", "operation": "webhook", "times": "", "rate": "0.5", "seconds": "9"}
    response = client.post("/control/faults", data=form)
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    (rule,) = sandbox.control("GET", "/faults")["faults"]
    assert (rule["times"], rule["rate"], rule["seconds"]) == (None, 0.5, 9.0)
    assert "late</strong> on" in client.get("/").text
    assert client.post(f"/control/faults/{rule['id']}/clear", data={}).status_code == 303
    assert sandbox.control("GET", "/faults")["faults"] == []


def test_everything_is_mended_with_one_form(client: httpx.Client, sandbox: SandboxProcess) -> None:
    sandbox.fault("debit", "delay")
    assert client.post("/control/faults/clear", data={}).status_code == 303
    assert sandbox.control("GET", "/faults")["faults"] == []


def test_dials_and_accounts_are_set_with_forms(
    client: httpx.Client, sandbox: SandboxProcess
) -> None:
    dials = {"mode": "silent", "delay": "2.5", "page_size": "7", "honour_keys": "false"}
    assert client.post("/control/dials", data=dials).status_code == 303
    now = sandbox.control("GET", "/state")["dials"]
    assert (now["mode"], now["delay"], now["page_size"]) == ("silent", 2.5, 7)
    assert now["honour_keys"] is False
    account = {"account_id": "NEW", "balance": "12", "blocked": "true"}
    assert client.post("/control/accounts", data=account).status_code == 303
    assert client.get("/loyalty/balance/NEW").json()["balance"] == 12


def test_a_form_with_no_number_is_told_so(client: httpx.Client) -> None:
    response = client.post("/control/accounts", data={"account_id": "x", "balance": "many"})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_the_company_s_own_system_can_be_turned_on_the_page(
    client: httpx.Client, sandbox: SandboxProcess
) -> None:
    done = client.post("/control/receiver", data={"answer": "gone", "secret": ""})
    assert done.status_code == 303
    assert "<option selected>gone</option>" in client.get("/").text
