"""The provider of text messages (docs/contracts/sms-api.yaml), which the mailbox page shows."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from loyalty_portal.sandbox.calls import Call
from loyalty_portal.sandbox.clock import stamp
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import Answer, Json

API = "sms"


def send(partners: Partners, call: Call) -> Answer:
    body = call.json()
    partners.sms.check("MessageRequest", body)

    def effect() -> Answer:
        row = (stamp(), body["to"], body["text"])
        partners.store.run("INSERT INTO text_message (at, number, text) VALUES (?, ?, ?)", *row)
        return Answer(HTTPStatus.ACCEPTED, {"message_id": f"sms_{uuid.uuid4().hex}"})

    return partners.execute(API, call, effect)


def latest(partners: Partners, most: int) -> list[Json]:
    """The newest text messages, each with `at`, `number` and `text`."""
    rows = partners.store.rows("SELECT * FROM text_message ORDER BY seq DESC LIMIT ?", most)
    return [dict(row) for row in rows]
