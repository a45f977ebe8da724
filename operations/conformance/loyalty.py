"""The checks of a Loyalty Points API, in the order of promises.py.

Debits are of one point. One check tries two points and one tries more than the account has; both
must be refused. All points are credited again at the end.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

from django.conf import settings

from loyalty_portal.partners import wire
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

FEWEST = 2  # the account needs this many points, because two debits are open at once
MOST_PAGES = 200
SINCE_MARGIN = timedelta(minutes=1)
TRANSACTION = schema("Transaction")
STATEMENT = "/transactions/{accountId}"
NO_DEBIT = "no debit succeeded"


@dataclass
class LoyaltySession:
    """The state of one run: the requests sent, and the points that the partner moved."""

    probe: Probe
    account: str
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    moved: dict[str, dict[str, Any]] = field(default_factory=dict)  # entries by the partner's id
    # Debits whose result is unknown: points by key.
    unsure: dict[str, int] = field(default_factory=dict)
    first: dict[str, Any] | None = None  # the answer to the first debit
    first_credit: dict[str, Any] | None = None
    before: int | None = None  # the balance at the start

    @classmethod
    def at(cls, client: PartnerClient, account: str) -> "LoyaltySession":
        return cls(Probe(client, Contract("loyalty-api")), account)

    def reference(self, name: str) -> str:
        return f"CHECK-{self.run}-{name}"

    def key(self, name: str) -> str:
        return f"check:{self.run}:{name}"

    def balance(self) -> int:
        heard = self.ask_balance()
        if fault := self.probe.fault(schema("Balance"), heard):
            raise CannotTellError(f"the balance is not told: {fault}")
        points: int = heard.body["balance"]
        return points

    def ask_balance(self) -> Heard:
        return self.probe.get("/balance/{account_id}", account_id=self.account)

    def debit(self, name: str, *, key: str = "", points: int = 1, account: str = "") -> Heard:
        """Send a debit. The idempotency key is made from `key`, or else from `name`."""
        asked = {
            "account_id": account or self.account,
            "points": points,
            "reference": self.reference(name),
            "description": "Conformance check",
        }
        return self._post("/debit", asked, self.key(key or name))

    def credit(self, name: str, original: str, *, key: str = "", points: int = 1) -> Heard:
        asked = {
            "account_id": self.account,
            "points": points,
            "reference": self.reference(name),
            "original_transaction_id": original,
            "description": "Conformance check",
        }
        return self._post("/credit", asked, self.key(key or name))

    def _post(self, path: str, asked: Mapping[str, Any], key: str) -> Heard:
        heard = self.probe.post(path, asked, key=key)
        kind = path.strip("/")
        number = _number(heard)
        if kind == "debit":
            self._remember(key, asked["points"], heard, number)
        if not heard.succeeded:
            return heard
        fault = self.probe.fault(TRANSACTION, heard)
        self.probe.unclear += bool(fault) or heard.body["points"] != asked["points"]
        # Take these fields from our request: the answer may omit them or be wrong.
        ours = {"of": asked.get("original_transaction_id"), "points": asked["points"], "type": kind}
        if number:
            self.moved.setdefault(number, heard.body | ours)
        return heard

    def _remember(self, key: str, points: int, heard: Heard, number: str) -> None:
        """Record a debit as unsure until an answer to its key says clearly what it took."""
        if number or heard.refused or heard.rejects_us:
            self.unsure.pop(key, None)
        else:
            self.unsure[key] = points

    def left(self) -> dict[str, int]:
        """The points of each debit that are not credited yet; negative if credited too often."""
        points = {key: 0 for key, each in self.moved.items() if each["of"] is None}
        for key, each in self.moved.items():
            debit = each["of"] or key
            if debit in points:
                points[debit] += each["points"] * (1 if each["type"] == "debit" else -1)
        return points

    def give_back(self) -> None:
        """Credit what was taken, and debit again what was credited too often."""
        for number, (original, points) in enumerate(self.left().items()):
            name = f"back-{number}"
            if points > 0:
                self.credit(name, original, points=points)
            elif points < 0:
                again = self.debit(name, points=-points)
                if not self.probe.fault(TRANSACTION, again):
                    self.moved[again.body["transaction_id"]]["of"] = original

    def close(self) -> str:
        """Give back what an interrupted run left, and summarize the run for the partner's
        records.
        """
        self.give_back()
        taken = [each["points"] for each in self.moved.values() if each["type"] == "debit"]
        owed = sum(points for points in self.left().values() if points > 0)
        words = f"Took {sum(taken)} points in {len(taken)} debits under CHECK-{self.run}-…"
        open_ends = [f"NOT given back: {owed}"] if owed else []
        if self.unsure:
            open_ends.append(
                f"perhaps taken, and NOT given back: {sum(self.unsure.values())} in "
                f"{len(self.unsure)} debits that came to no entry"
            )
        if self.probe.unclear:
            open_ends.append(f"{self.probe.unclear} calls had no clear answer")
        if open_ends:
            return f"{words}; {'; '.join(open_ends)}. Have the partner look at the account."
        return f"{words}, and gave all of them back."


def _number(heard: Heard) -> str:
    """The transaction id in a successful answer, even if the rest is wrong; "" without one."""
    number = heard.body.get("transaction_id") if isinstance(heard.body, dict) else None
    return number if heard.succeeded and isinstance(number, str) else ""


# --- Credentials -----------------------------------------------------------------------------


def credentials(session: LoyaltySession) -> Observation:
    return session.probe.without_credentials("/balance/{account_id}", account_id=session.account)


def balance(session: LoyaltySession) -> Observation:
    heard = admitted(session.ask_balance())
    if heard.code == "account_not_found":
        raise UntriedError(f"The partner does not know the account {session.account}.")
    if fault := session.probe.fault(schema("Balance"), heard):
        return broken(fault)
    if heard.body["account_id"] != session.account:
        return broken("the balance of another account")
    points: int = heard.body["balance"]
    if points < FEWEST:
        raise UntriedError(f"The account has {points} points; the check needs {FEWEST}.")
    session.before = points
    return kept(f"{points} points")


# --- Debits and keys -------------------------------------------------------------------------


def debit(session: LoyaltySession) -> Observation:
    heard = session.debit("first")
    if heard.code == "account_blocked":
        raise UntriedError("The account is blocked: nothing can be taken from it.")
    if fault := _fault(session, heard, "debit", "first", 1):
        return broken(fault)
    session.first = heard.body
    return kept(f"{heard.status}, {heard.body['transaction_id']}")


def _fault(session: LoyaltySession, heard: Heard, kind: str, name: str, points: int) -> str:
    """The error in the answer to a debit or credit of ours; "" if it has none."""
    if fault := session.probe.fault(TRANSACTION, heard):
        return fault
    if heard.status not in {200, 201}:
        return f"{heard.status}, which the contract does not have"
    wanted = {
        "type": kind,
        "account_id": session.account,
        "points": points,
        "reference": session.reference(name),
    }
    # JSON Schema accepts 1.0 as an integer, but code that adds up points may not.
    if not all(type(heard.body[name]) is int for name in ("points", "balance_after")):
        return "points, balance_after: not written as whole numbers"
    others = [name for name, value in wanted.items() if heard.body[name] != value]
    return f"{', '.join(others)}: not what was asked" if others else ""


def balance_moves(session: LoyaltySession) -> Observation:
    needed(session.first, NO_DEBIT)
    before = needed(session.before, "the balance was not told before")
    now = session.balance()
    return decided(now == before - 1, f"{before} before a debit of 1, {now} after it")


def replay(session: LoyaltySession) -> Observation:
    first = needed(session.first, NO_DEBIT)
    return _same(first, session.debit("first"))


def _same(first: Mapping[str, Any], again: Heard) -> Observation:
    """Whether the answer to a repeated request is the same as the first one."""
    if not again.succeeded or not isinstance(again.body, dict):
        return broken(f"the repetition was answered {again}")
    if again.body.get("transaction_id") != first["transaction_id"]:
        return broken("the repetition was executed: it has a transaction_id of its own")
    others = sorted(name for name in first if again.body.get(name) != first[name])
    return decided(
        not others,
        f"{again.status}, the same entry" + (f"; differs in: {others}" if others else ""),
    )


def one_entry(session: LoyaltySession) -> Observation:
    needed(session.first, NO_DEBIT)
    if not settings.LOYALTY_API_STATEMENT:
        before = needed(session.before, "the balance was not told before")
        now = session.balance()
        return decided(now == before - 1, f"{before} points before, {now} after two sendings of 1")
    wanted = session.reference("first")
    found = sum(each["reference"] == wanted for page in _pages(session) for each in page)
    if not found:
        return cannot_tell("the statement does not show the debit")
    return decided(found == 1, f"{found} in the statement")


def key_reuse(session: LoyaltySession) -> Observation:
    needed(session.first, NO_DEBIT)
    heard = session.debit("first", points=2)
    return decided(
        (heard.status, heard.code) == (422, "idempotency_key_reused"),
        f"2 points under the key of a debit of 1: {heard}",
    )


def two_at_once(session: LoyaltySession) -> Observation:
    needed(session.first, NO_DEBIT)
    return session.probe.once_though_together(
        lambda: session.debit("together"), TRANSACTION, "transaction_id", "entries"
    )


# --- Credits ---------------------------------------------------------------------------------


def credit(session: LoyaltySession) -> Observation:
    first = needed(session.first, NO_DEBIT)
    heard = session.credit("credit", first["transaction_id"])
    if fault := _fault(session, heard, "credit", "credit", 1):
        return broken(fault)
    session.first_credit = heard.body
    return kept(f"{heard.status}, {heard.body['transaction_id']}")


def credit_replay(session: LoyaltySession) -> Observation:
    given = needed(session.first_credit, "no credit succeeded")
    return _same(given, session.credit("credit", needed(session.first, NO_DEBIT)["transaction_id"]))


def credit_cap(session: LoyaltySession) -> Observation:
    needed(session.first_credit, "no credit succeeded")
    heard = session.credit("too-much", needed(session.first, NO_DEBIT)["transaction_id"])
    return decided(
        (heard.status, heard.code) == (422, "refund_exceeds_debit"),
        f"one point more than was taken: {heard}",
    )


# --- Refusals --------------------------------------------------------------------------------


def insufficient_points(session: LoyaltySession) -> Observation:
    heard = session.debit("dear", points=session.balance() + 1)
    return _refused(heard, 422, "insufficient_points", "one point more than there is")


def account_not_found(session: LoyaltySession) -> Observation:
    heard = session.debit("stranger", account=f"no-such-account-{session.run}")
    return _refused(heard, 404, "account_not_found", "an account that does not exist")


def transaction_not_found(session: LoyaltySession) -> Observation:
    heard = session.credit("nothing", f"no-such-debit-{session.run}")
    return _refused(heard, 404, "transaction_not_found", "a debit that does not exist")


def _refused(heard: Heard, status: int, code: str, what: str) -> Observation:
    # The contract defines codes, and of statuses only that 404 and 422 exist and what 403 means.
    holds = heard.status in {status, 403, 422} and heard.code == code
    return decided(holds, f"{what}: {heard}")


def invalid_request(session: LoyaltySession) -> Observation:
    heard = session.debit("nought", points=0)
    return decided(heard.refused, f"a debit of 0 points: {heard}")


# --- Balance and statement -------------------------------------------------------------------


def books_close(session: LoyaltySession) -> Observation:
    before = needed(session.before, "the balance was not told before")
    session.give_back()
    if session.probe.unclear:
        return cannot_tell(f"{session.probe.unclear} calls had no clear answer")
    after = session.balance()
    return decided(after == before, f"{before} points before the check, {after} after it")


def statement_complete(session: LoyaltySession) -> Observation:
    shown: dict[str, int] = {}
    pages = 0
    for page in _pages(session):
        pages += 1
        for each in page:
            shown[each["transaction_id"]] = shown.get(each["transaction_id"], 0) + 1
    missing = [key for key in session.moved if key not in shown]
    twice = [key for key in session.moved if shown.get(key, 0) > 1]
    seen = f"{len(session.moved)} movements of ours in {pages} pages"
    if missing or twice:
        return broken(f"{seen}: {len(missing)} missing, {len(twice)} more than once")
    return kept(seen)


def statement_order(session: LoyaltySession) -> Observation:
    times = [wire.moment(each, "created_at") for page in _pages(session) for each in page]
    return decided(times == sorted(times), f"{len(times)} movements")


def _pages(session: LoyaltySession) -> Iterator[list[dict[str, Any]]]:
    """Yield the statement's pages since the first debit.

    Raises CannotTellError when the statement cannot be read.
    """
    if not settings.LOYALTY_API_STATEMENT:
        raise CannotTellError("LOYALTY_API_STATEMENT is false")
    since = wire.moment(needed(session.first, NO_DEBIT), "created_at") - SINCE_MARGIN
    params = {"since": since.astimezone(UTC).isoformat().replace("+00:00", "Z")}
    for _page in range(MOST_PAGES):
        heard = session.probe.get("/transactions/{account_id}", params, account_id=session.account)
        if heard.status in {404, 501}:
            raise CannotTellError(f"answered {heard}: set LOYALTY_API_STATEMENT=false")
        if fault := session.probe.fault(answer(STATEMENT), heard):
            raise CannotTellError(f"the statement cannot be read: {fault}")
        yield heard.body["transactions"]
        if not heard.body["next_cursor"]:
            return
        params = {**params, "cursor": heard.body["next_cursor"]}
    raise CannotTellError(f"the statement has no end within {MOST_PAGES} pages")


def statement(session: LoyaltySession) -> Observation:
    """Whether the statement can be read at all; the other statement checks need it."""
    needed(session.first, NO_DEBIT)
    if not settings.LOYALTY_API_STATEMENT:
        return cannot_tell("LOYALTY_API_STATEMENT is false")
    try:
        pages = sum(1 for _page in _pages(session))
    except CannotTellError as why:
        unknown = "LOYALTY_API_STATEMENT" in str(why)
        return cannot_tell(str(why)) if unknown else broken(str(why))
    return kept(f"{pages} pages")


def problems(session: LoyaltySession) -> Observation:
    return session.probe.problems()


def retry_after(session: LoyaltySession) -> Observation:
    return session.probe.retry_after(session.ask_balance)
