"""The checks of a Fulfillment API, in the order of promises.py.

Each request is for one unit, and every request that can be cancelled is.
"""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from loyalty_portal.partners.client import PartnerClient
from operations.conformance.contract import Contract, answer, schema
from operations.conformance.points import (
    CannotTellError,
    Observation,
    UntriedError,
    broken,
    cannot_tell,
    decided,
    kept,
)
from operations.conformance.probe import Heard, Probe, admitted, needed
from operations.conformance.webhooks import Inbox, disorder, repeated

LOOK_AGAIN = 0.5  # seconds between two polls of a delivery
FULFILLMENT = schema("Fulfillment")
FINAL = frozenset({"delivered", "failed", "cancelled"})
NO_REQUEST = "no request succeeded"
NOT_THERE = frozenset({404, 501})  # the answers of a partner that does not send again
DEAF = "nobody listened: give --listen HOST:PORT, and have the partner send its webhooks there"


@dataclass
class FulfillmentSession:
    """The state of one run. `wait`: seconds to wait for a delivery and for webhooks.

    `inbox` is None without --listen.
    """

    probe: Probe
    sku: str
    wait: float
    inbox: Inbox | None = None
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    made: dict[str, str] = field(default_factory=dict)  # the partner's ids, with our references
    first: str | None = None  # the partner's id of the first request
    cancelled: dict[str, Any] | None = None  # the answer to the cancelled request
    over: dict[str, Any] | None = None  # the first request after it ended
    waited: bool = False  # whether the run has waited for webhooks already

    @classmethod
    def at(
        cls, client: PartnerClient, sku: str, *, wait: float, inbox: Inbox | None = None
    ) -> "FulfillmentSession":
        return cls(Probe(client, Contract("fulfillment-api")), sku, wait, inbox)

    def reference(self, name: str) -> str:
        return f"CHECK-{self.run}-{name}"

    def request(self, name: str, *, key: str = "", quantity: int = 1) -> Heard:
        asked = {
            "reference": self.reference(name),
            "sku": self.sku,
            "quantity": quantity,
            "recipient": {"name": "Conformance Check", "email": "check@example.com"},
        }
        heard = self.probe.post("/fulfillments", asked, key=f"check:{self.run}:{key or name}")
        if not self.probe.fault(FULFILLMENT, heard):
            self.made.setdefault(heard.body["fulfillment_id"], heard.body["reference"])
        return heard

    def get(self, fulfillment_id: str) -> Heard:
        path = "/fulfillments/{fulfillment_id}"
        return self.probe.get(path, fulfillment_id=fulfillment_id)

    def find(self, reference: str) -> Heard:
        return self.probe.get("/fulfillments", {"reference": reference})

    def cancel(self, fulfillment_id: str, name: str) -> Heard:
        path = "/fulfillments/{fulfillment_id}/cancel"
        key = f"check:{self.run}:{name}"
        return self.probe.post(path, None, key=key, fulfillment_id=fulfillment_id)

    def resend(self, fulfillment_id: str) -> Heard:
        path = "/fulfillments/{fulfillment_id}/resend"
        asked = {"recipient": {"name": "Conformance Check", "email": "check@example.com"}}
        key = f"check:{self.run}:resend"
        return self.probe.post(
            path, asked, key=key, excused=NOT_THERE, fulfillment_id=fulfillment_id
        )

    def close(self) -> str:
        """Cancel what is not delivered, and summarize the run for the partner's records."""
        left = 0
        for number, fulfillment_id in enumerate(self.made):
            heard = self.cancel(fulfillment_id, f"close-{number}")
            told = heard.body if isinstance(heard.body, dict) else {}
            left += told.get("status") not in FINAL
        words = f"Asked for {len(self.made)} deliveries of one {self.sku} under CHECK-{self.run}-…"
        return f"{words}; {left} could not be called off." if left else f"{words}; none is open."


def credentials(session: FulfillmentSession) -> Observation:
    nobodys = {"reference": f"no-such-reference-{session.run}"}
    return session.probe.without_credentials("/fulfillments", nobodys)


def request(session: FulfillmentSession) -> Observation:
    heard = admitted(session.request("first"))
    if heard.refused:
        raise UntriedError(f"The partner refuses to deliver {session.sku}: {heard}.")
    if fault := _fault(session, heard, {200, 201, 202}, session.reference("first")):
        return broken(fault)
    session.first = heard.body["fulfillment_id"]
    return kept(f"{heard.status}, {session.first}, {heard.body['status']}")


def _fault(session: FulfillmentSession, heard: Heard, statuses: set[int], reference: str) -> str:
    if fault := session.probe.fault(FULFILLMENT, heard):
        return fault
    if heard.status not in statuses:
        return f"{heard.status}, which the contract does not have"
    return "" if heard.body["reference"] == reference else "reference: not what was asked"


def replay(session: FulfillmentSession) -> Observation:
    first = needed(session.first, NO_REQUEST)
    again = session.request("first")
    if fault := session.probe.fault(FULFILLMENT, again):
        return broken(f"the repetition was answered otherwise: {fault}")
    if again.body["fulfillment_id"] != first:
        return broken("the repetition was executed: it has a fulfillment_id of its own")
    return kept(f"{again.status}, the same fulfillment")


def key_reuse(session: FulfillmentSession) -> Observation:
    needed(session.first, NO_REQUEST)
    heard = session.request("other", key="first", quantity=2)
    return decided(
        (heard.status, heard.code) == (422, "idempotency_key_reused"),
        f"another request under a used key: {heard}",
    )


def duplicate_reference(session: FulfillmentSession) -> Observation:
    needed(session.first, NO_REQUEST)
    heard = session.request("first", key="first-again")
    return decided(
        (heard.status, heard.code) == (422, "duplicate_reference"),
        f"a used reference under another key: {heard}",
    )


def two_at_once(session: FulfillmentSession) -> Observation:
    needed(session.first, NO_REQUEST)
    return session.probe.once_though_together(
        lambda: session.request("together"), FULFILLMENT, "fulfillment_id", "fulfillments"
    )


def poll(session: FulfillmentSession) -> Observation:
    first = needed(session.first, NO_REQUEST)
    heard = session.get(first)
    if fault := _fault(session, heard, {200}, session.reference("first")):
        return broken(fault)
    same = heard.body["fulfillment_id"] == first
    return decided(same, f"{heard.body['status']}, by the id of the answer")


def find(session: FulfillmentSession) -> Observation:
    first = needed(session.first, NO_REQUEST)
    ours = session.find(session.reference("first"))
    nothing = session.find(f"no-such-reference-{session.run}")
    for heard in (ours, nothing):
        if fault := session.probe.fault(answer("/fulfillments"), heard):
            return broken(fault)
    found = [(each["fulfillment_id"], each["reference"]) for each in ours.body["fulfillments"]]
    if found != [(first, session.reference("first"))]:
        return broken(f"{len(found)} by our reference, not the one that was made")
    others = len(nothing.body["fulfillments"])
    return decided(not others, f"one by our reference, {others} by one that nobody has")


def unknown(session: FulfillmentSession) -> Observation:
    heard = session.get(f"no-such-fulfillment-{session.run}")
    return decided(heard.status == 404, f"an id that does not exist: {heard}")


def cancel(session: FulfillmentSession) -> Observation:
    made = session.request("cancelled")
    if session.probe.fault(FULFILLMENT, made):
        raise CannotTellError(f"a request to be cancelled was answered {made}")
    heard = session.cancel(made.body["fulfillment_id"], "cancel")
    if fault := _fault(session, heard, {200}, session.reference("cancelled")):
        return broken(fault)
    if heard.body["fulfillment_id"] != made.body["fulfillment_id"]:
        return broken("the answer is about another fulfillment")
    session.cancelled = heard.body
    told = session.get(made.body["fulfillment_id"])
    if session.probe.fault(FULFILLMENT, told):
        return kept(f"{heard.body['status']}, at once")
    agrees = heard.body["status"] not in FINAL or told.body["status"] == heard.body["status"]
    return decided(agrees, f"answered {heard.body['status']}, then {told.body['status']}")


def cancel_replay(session: FulfillmentSession) -> Observation:
    first = needed(session.cancelled, "no cancellation was answered")
    again = session.cancel(first["fulfillment_id"], "cancel")
    if fault := session.probe.fault(FULFILLMENT, again):
        return broken(f"the repetition was answered otherwise: {fault}")
    if first["status"] not in FINAL:
        return kept(f"{again.status}, {again.body['status']}")
    same = again.body["status"] == first["status"]
    return decided(same, f"first {first['status']}, then {again.body['status']}")


def delivers(session: FulfillmentSession) -> Observation:
    first = needed(session.first, NO_REQUEST)
    end = time.monotonic() + session.wait
    while True:
        heard = session.get(first)
        fault = _fault(session, heard, {200}, session.reference("first"))
        if fault or heard.body["fulfillment_id"] != first:
            raise CannotTellError(f"how it stands is not told: {fault or 'another fulfillment'}")
        if heard.body["status"] in FINAL:
            break
        if time.monotonic() >= end:
            return cannot_tell(f"still {heard.body['status']} after {session.wait:g} s (--wait)")
        time.sleep(LOOK_AGAIN)
    session.over = heard.body
    if heard.body["status"] != "delivered":
        return cannot_tell(f"it ended as {heard.body['status']}: is --sku one that can be had?")
    units = heard.body.get("deliverables") or []
    usable = sum(bool(each.get("code") or each.get("url")) for each in units)
    return decided(
        (len(units), usable) == (1, 1), f"{usable} codes or addresses for a quantity of 1"
    )


def final(session: FulfillmentSession) -> Observation:
    over = needed(session.over, "nothing came to its end")
    late = session.cancel(over["fulfillment_id"], "late")
    told = session.get(over["fulfillment_id"])
    for heard in (late, told):
        if fault := session.probe.fault(FULFILLMENT, heard):
            return broken(f"after the end: {fault}")
    statuses = {late.body["status"], told.body["status"]}
    return decided(
        statuses == {over["status"]}, f"{over['status']}, then cancelled: {' and '.join(statuses)}"
    )


def resend(session: FulfillmentSession) -> Observation:
    over = needed(session.over, "nothing came to its end")
    if over["status"] != "delivered":
        return cannot_tell("nothing was delivered that could be sent again")
    heard = session.resend(over["fulfillment_id"])
    if heard.status in NOT_THERE:
        seen = f"the partner does not send again, which is optional: {heard}"
        said = "FULFILLMENT_API_RESEND says that it does"
        return (
            broken(f"{seen}; but {said}") if settings.FULFILLMENT_API_RESEND else cannot_tell(seen)
        )
    if fault := _fault(session, heard, {200}, session.reference("first")):
        return broken(fault)
    again = session.resend(over["fulfillment_id"])
    if fault := session.probe.fault(FULFILLMENT, again):
        return broken(f"the repetition was answered otherwise: {fault}")
    if again.body["fulfillment_id"] != heard.body["fulfillment_id"]:
        return broken("the repetition was answered with another fulfillment")
    same = [over, heard.body, again.body]
    codes = {json.dumps(each.get("deliverables"), sort_keys=True) for each in same}
    return decided(len(codes) == 1, "sent again, " + ("the same" if len(codes) == 1 else "others"))


# --- Webhooks --------------------------------------------------------------------------------


def _inbox(session: FulfillmentSession) -> Inbox:
    """Wait once for the expected webhooks, and return the inbox.

    Raises CannotTellError when the run does not listen or no webhook came.
    """
    inbox: Inbox = needed(session.inbox, DEAF)
    if not session.waited:
        session.waited = True
        ended = {each["reference"] for each in (session.over, session.cancelled) if each}
        inbox.wait(frozenset(ended), session.wait)
    if not inbox.all():
        raise CannotTellError(f"no webhook came within {session.wait:g} s (--wait)")
    return inbox


def signature(session: FulfillmentSession) -> Observation:
    came = _inbox(session).all()
    bad = sum(not each.signed for each in came)
    return decided(not bad, f"{len(came)} webhooks, {bad} without a valid signature of ours")


def events(session: FulfillmentSession) -> Observation:
    came = _inbox(session).all()
    troubles = sorted({each.trouble for each in came if each.trouble})
    return decided(not troubles, f"{len(came)} webhooks; not readable: {troubles or 'none'}")


def retry(session: FulfillmentSession) -> Observation:
    came = _inbox(session).all()
    again = repeated(came)
    if not again:
        return broken(f"one was answered 500 and did not come again within {session.wait:g} s")
    if not came[0].webhook_id:
        return broken("it has no webhook-id, so a repetition cannot be told from news")
    same = all(each.raw == came[0].raw for each in again)
    return decided(same, "answered 500, it came again" + ("" if same else " with another body"))


def order(session: FulfillmentSession) -> Observation:
    came = _inbox(session).all()
    if not any(each.event for each in came):
        raise CannotTellError("no webhook could be read")
    trouble = disorder(came)
    return broken(trouble) if trouble else kept(f"{len(came)} webhooks, told apart by updated_at")


def problems(session: FulfillmentSession) -> Observation:
    return session.probe.problems()


def retry_after(session: FulfillmentSession) -> Observation:
    return session.probe.retry_after(lambda: session.find(f"no-such-reference-{session.run}"))
