"""The Fulfillment API (docs/contracts/fulfillment-api.yaml)."""

from __future__ import annotations

from http import HTTPStatus

from loyalty_portal.sandbox.calls import Call
from loyalty_portal.sandbox.faults.rules import MODE
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import Answer, ProblemError, invalid

API = "fulfillment"
# A fulfillment's codes must fit into one webhook; the portal accepts up to 256 KiB.
MAX_QUANTITY = 1000


def create(partners: Partners, call: Call) -> Answer:
    key, body = call.needed_key(), call.json()
    partners.fulfillment.check("FulfillmentRequest", body)
    if body["quantity"] > MAX_QUANTITY:
        raise invalid(f"quantity: at most {MAX_QUANTITY}.")

    def effect() -> Answer:
        used = partners.deliveries.find(body["reference"])
        if used and "references" in partners.dials.now.slips:
            return Answer(HTTPStatus.ACCEPTED, used[0])
        rule = partners.faults.take(("fulfill",), call.subjects(), MODE)
        mode = rule.fault if rule else partners.dials.now.mode
        made = partners.deliveries.create(request=body, key=key, mode=mode)
        done = made["status"] == "delivered"
        return Answer(HTTPStatus.CREATED if done else HTTPStatus.ACCEPTED, made)

    answer = _as_it_is(partners, call, partners.execute(API, call, effect))
    partners.courier.wake()
    return answer


def get(partners: Partners, call: Call) -> Answer:
    return Answer(HTTPStatus.OK, partners.deliveries.get(call.params["fulfillment_id"]))


def find(partners: Partners, call: Call) -> Answer:
    if "reference" not in call.query:
        raise invalid("`reference` must be given.")
    found = partners.deliveries.find(call.query["reference"])
    return Answer(HTTPStatus.OK, {"fulfillments": found})


def cancel(partners: Partners, call: Call) -> Answer:
    def effect() -> Answer:
        return Answer(HTTPStatus.OK, partners.deliveries.cancel(call.params["fulfillment_id"]))

    answer = _as_it_is(partners, call, partners.execute(API, call, effect))
    partners.courier.wake()
    return answer


def resend(partners: Partners, call: Call) -> Answer:
    body = call.json()
    partners.fulfillment.check("ResendRequest", body)

    def effect() -> Answer:
        known = partners.deliveries.get(call.params["fulfillment_id"])
        if known["status"] != "delivered":
            raise ProblemError(
                HTTPStatus.CONFLICT, "not_delivered", "Nothing was delivered that could be resent."
            )
        return Answer(HTTPStatus.OK, known)

    return _as_it_is(partners, call, partners.execute(API, call, effect))


def _as_it_is(partners: Partners, call: Call, answer: Answer) -> Answer:
    """Answer a repeated call with the fulfillment's current state; a refusal stays the same."""
    if not call.replayed or not answer.succeeded:
        return answer
    return Answer(answer.status, partners.deliveries.get(answer.body["fulfillment_id"]))
