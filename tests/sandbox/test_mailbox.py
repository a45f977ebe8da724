"""The provider of text messages, and the page that shows what everybody got."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from tests.support.sandbox_process import API_KEY, SandboxProcess

TEXT = {"to": "+4915123456789", "text": "On its way: <b>Mug</b> https://portal.example/orders/R-1/"}


def send(
    client: httpx.Client, body: object = TEXT, key: str = "one", api_key: str = API_KEY
) -> httpx.Response:
    headers = {"X-API-Key": api_key, "Idempotency-Key": key}
    return client.post("/sms/messages", json=body, headers=headers)


def test_a_key_is_one_message_however_often_it_is_sent(client: httpx.Client) -> None:
    first, again = send(client), send(client)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert send(client, key="two").status_code == 202
    texts = client.get("/control/texts").json()["texts"]
    assert [text["number"] for text in texts] == [TEXT["to"], TEXT["to"]]
    client.post("/control/reset", json={})
    assert client.get("/control/texts").json()["texts"] == []


@pytest.mark.parametrize(
    "body", [{}, {**TEXT, "to": "0151"}, {**TEXT, "text": ""}, {**TEXT, "text": "x" * 481}, {**TEXT, "from": "me"}]
)  # fmt: skip
def test_what_is_no_message_is_refused(client: httpx.Client, body: object) -> None:
    assert send(client, body).status_code == 422
    assert send(client, api_key="wrong", key="other").status_code == 401
    assert client.get("/control/texts").json()["texts"] == []


def test_the_mailbox_shows_letters_and_text_messages(tmp_path: Path) -> None:
    mail = tmp_path / "letters"
    mail.mkdir()
    letters = []
    for number, subject in ((1, "First <i>letter</i>"), (2, "Second")):
        letter = EmailMessage()
        letter["Subject"], letter["To"] = subject, "ada@northwind.example"
        letter["Date"] = f"Sat, 28 Nov 2026 09:00:0{number} +0000"
        letter.set_content(f"Plain {number} <script>alert(1)</script>")
        letter.add_alternative(f"<p>Rich {number}</p>", subtype="html")
        letters.append(letter.as_bytes() + b"\n" + b"-" * 79 + b"\n")
    (mail / "20261128-090001-1.log").write_bytes(b"".join(letters))
    options = ("--mail", str(mail))
    with (
        SandboxProcess.start(data_dir=tmp_path / "data", options=options) as sandbox,
        httpx.Client(base_url=sandbox.url, trust_env=False) as client,
    ):
        send(client)
        page = client.get("/mailbox/")
        assert "script-src" not in page.headers["Content-Security-Policy"]
        text = page.text
        assert text.index("Second") < text.index("First &lt;i&gt;letter&lt;/i&gt;")
        assert "Plain 1 &lt;script&gt;" in text
        assert "On its way: &lt;b&gt;Mug&lt;/b&gt;" in text
        assert "<p>Rich 2</p>" in client.get("/mailbox/20261128-090001-1-1/").text
        assert client.get("/mailbox/nothing/").status_code == 404
        stranger = {"Host": "evil.example"}
        assert client.get("/mailbox/", headers=stranger).status_code == 403


def test_without_a_folder_the_mailbox_is_empty(client: httpx.Client) -> None:
    page = client.get("/mailbox/").text
    assert "No letter yet." in page
    assert "No text message yet." in page
