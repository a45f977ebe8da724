"""For each kind of incident: its severity, and what the person who opens it should do."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from redemption.states import IncidentKind, Severity


@dataclass(frozen=True, slots=True)
class Advice:
    """`what_to_do` is for the person who opens the incident."""

    severity: Severity
    what_to_do: Promise


_K = IncidentKind
GUIDE: Mapping[str, Advice] = {
    _K.MISMATCH: Advice(
        Severity.CRITICAL,
        _(
            "The partner confirmed something other than our request. The call is repeated with "
            "the same key until the answer fits; then this resolves itself. If it does not, "
            "compare its entry in the partner's statement with ours: account, points, reference. "
            "If they differ, have the partner correct the entry, and note their ticket here."
        ),
    ),
    _K.CONTRADICTION: Advice(
        Severity.ERROR,
        _(
            "The partner's news about a delivery contradicts what it said before or what was "
            "ordered. It changed nothing. Ask the partner which is true. While the delivery is "
            "open, one person proposes what became of it and a second one confirms; once it has "
            "ended, two people correct what was settled wrongly."
        ),
    ),
    _K.HORIZON: Advice(
        Severity.CRITICAL,
        _(
            "Nobody knows whether this call was carried out, and asking again is no longer safe. "
            "Look for the order number in the partner's statement or ask the partner. One person "
            "proposes what is true, with evidence, and a second one confirms: then the order goes "
            "on."
        ),
    ),
    _K.CREDIT_REFUSED: Advice(
        Severity.CRITICAL,
        _(
            "The company is owed these points and the partner will not give them back. Find out "
            "from the partner why. If the partner books them by hand, propose that it took place, "
            "with the entry's number. Once the reason is gone you may also propose to ask again; "
            "that waits until the partner has forgotten its refusal, a day as a rule."
        ),
    ),
    _K.CREDIT_LATE: Advice(
        Severity.ERROR,
        _(
            "The company is owed these points. The credit is tried again by itself, without end. "
            "See whether the partner is down or refuses our credentials, and tell the company "
            "that the points are on their way."
        ),
    ),
    _K.RECONCILIATION: Advice(
        Severity.CRITICAL,
        _(
            "The partner's statement and our transactions differ. The number of another "
            "transaction is looked up again by itself; then this resolves itself. Nothing else is "
            "repaired automatically: compare the two entries, find out with the partner which is "
            "right, and have the wrong one corrected."
        ),
    ),
    _K.STOCK_DRIFT: Advice(
        Severity.ERROR,
        _(
            "The stock of this product differs from the sum of its movements and reservations. "
            "Count it, and enter the count. If it drifts again, tell the developers."
        ),
    ),
    _K.STUCK_ORDER: Advice(
        Severity.WARNING,
        _(
            "The order has been in this status for too long. Its page shows what it waits for: a "
            "partner's answer, the desk, or a delivery. Speed that up, or cancel what can be "
            "cancelled."
        ),
    ),
    _K.PUZZLING_CALLBACK: Advice(
        Severity.WARNING,
        _(
            "A verified callback names no delivery of ours, cannot be read, or contradicts the "
            "partner's own answer. It changed nothing and nothing waits for it: deliveries are "
            "settled by asking the partner. Show the partner the examples, and have it find out "
            "why."
        ),
    ),
    _K.POISON_ROW: Advice(
        Severity.ERROR,
        _(
            "Our own code failed at this piece of work repeatedly, so it was put aside; all other"
            " work goes on. Tell the developers the kind and the id: the log has the rest. Once "
            "it is fixed, have it tried again here."
        ),
    ),
    _K.PARTNER_DOWN: Advice(
        Severity.ERROR,
        _(
            "The partner does not answer. Orders wait and nothing is lost. Ask the partner when "
            "it will be back; this resolves itself when it is."
        ),
    ),
    _K.SWAPPED: Advice(
        Severity.CRITICAL,
        _(
            "The partner gave one number to two transactions of ours, or its statement has another "
            "number for one of them. Neither counts until both "
            "keys were asked again; if that is not safe any more, the statement is read. Where "
            "neither settles it, find both entries in the partner's statement. One person "
            "proposes each one's number, with evidence, and a second one confirms."
        ),
    ),
    _K.CREDENTIALS: Advice(
        Severity.CRITICAL,
        _(
            "The partner rejects our API key or client, and does nothing that we ask. No new "
            "checkout takes points meanwhile; accepted orders wait, and nothing is lost. Correct "
            "the key or the OAuth variables and restart: all calls are repeated within a minute, "
            "and this resolves itself."
        ),
    ),
    _K.UNREADABLE: Advice(
        Severity.CRITICAL,
        _(
            "A code in the database was changed, or moved to another row, or its key is missing "
            "from FIELD_ENCRYPTION_KEYS. It is shown to nobody. If a key was taken away too "
            "early, put it back and restart: this resolves itself. Otherwise find out who wrote "
            "to the database, and have two people replace the codes on the delivery's page: the "
            "partner is asked for the right ones."
        ),
    ),
}
