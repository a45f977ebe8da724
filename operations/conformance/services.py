"""Runs the conformance checks against the partners that the settings name."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from django.conf import settings

from accounts import loyalty as loyalty_api
from fulfillment import partner as fulfillment_api
from operations.conformance import fulfillment, loyalty
from operations.conformance.points import Check, Compliance, Point, Session, made
from operations.conformance.promises import FULFILLMENT, LOYALTY
from operations.conformance.webhooks import listening

Tell = Callable[[Point], None]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run. `left` says what the run left at the partner.

    `whole` is False when somebody interrupted the run with Ctrl-C.
    """

    partner: str
    address: str
    points: list[Point]
    left: str
    whole: bool

    def count(self, verdict: Compliance) -> int:
        return sum(point.verdict is verdict for point in self.points)

    @property
    def holds(self) -> bool:
        return not self.count(Compliance.NOT_KEPT)


def check_loyalty(*, account: str, tell: Tell) -> Result:
    """Check a Loyalty Points API. Moves single points of `account` and gives them back.

    Points are given back after an interruption too. `tell` receives each result at once. Raises
    UntriedError when the run is impossible.
    """
    session = loyalty.LoyaltySession.at(loyalty_api.client(), account)
    try:
        points = _all(LOYALTY, session, tell)
    finally:
        left = session.close()
    whole = len(points) == len(LOYALTY)
    return Result(loyalty_api.PARTNER, settings.LOYALTY_API_URL, points, left, whole)


def check_fulfillment(
    *, sku: str, wait: float, listen: tuple[str, int] | None, tell: Tell
) -> Result:
    """Check a Fulfillment API. Orders single units of `sku` and cancels what it can.

    Cancels after an interruption too. `wait`: seconds to wait for a delivery and for webhooks,
    which are received at `listen` (host, port). Raises UntriedError when the run is impossible, for
    example when that address cannot be opened.
    """
    with ExitStack() as stack:
        inbox = stack.enter_context(listening(*listen)) if listen else None
        client = fulfillment_api.client()
        session = fulfillment.FulfillmentSession.at(client, sku, wait=wait, inbox=inbox)
        try:
            points = _all(FULFILLMENT, session, tell)
        finally:
            left = session.close()
    whole = len(points) == len(FULFILLMENT)
    return Result(fulfillment_api.PARTNER, settings.FULFILLMENT_API_URL, points, left, whole)


def _all(checks: tuple[Check[Session], ...], session: Session, tell: Tell) -> list[Point]:
    """Run the checks in order until Ctrl-C, and return the results so far.

    The caller cleans up after an interrupted run too.
    """
    points = []
    with suppress(KeyboardInterrupt):
        for check in checks:
            points.append(made(check, session))
            tell(points[-1])
    return points
