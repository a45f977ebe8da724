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
            "The partner said yes to something other than what was asked. The call is repeated "
            "with the same key until the answer fits; then this resolves itself. If it does not, "
            "compare its entry in the partner's statement with ours: account, points, reference. "
            "If they differ, have the partner correct the entry, and note their ticket here."
        ),
    ),
    _K.CONTRADICTION: Advice(
        Severity.ERROR,
        _(
            "The partner's news about a delivery does not go together with what it said before "
            "or with what was ordered. Nothing was changed by it. Ask the partner which is true. "
            "While the delivery is open, one person proposes what became of it and a second one "
            "confirms; once it has ended, two people put right what was settled wrongly."
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
            "The partner's statement and our transactions differ. Nothing is repaired by itself. "
            "Compare the two entries, find out with the partner which is right, and have the "
            "wrong one corrected."
        ),
    ),
    _K.STOCK_DRIFT: Advice(
        Severity.ERROR,
        _(
            "The stock of this product is not what its movements and reservations add up to. "
            "Count it, and enter the count. If it drifts again, tell the developers."
        ),
    ),
    _K.STUCK_ORDER: Advice(
        Severity.WARNING,
        _(
            "The order has been where it is for longer than it should. Its page shows what it "
            "waits for: a partner's answer, the desk, or a delivery. Hurry that, or cancel what "
            "can be cancelled."
        ),
    ),
    _K.PUZZLING_CALLBACK: Advice(
        Severity.WARNING,
        _(
            "A verified callback names no delivery of ours, cannot be read, or said what the "
            "partner, asked, denies. Nothing came of it and nothing waits for it: deliveries are "
            "settled by asking. Show the partner the examples, and have it find out why."
        ),
    ),
    _K.POISON_ROW: Advice(
        Severity.ERROR,
        _(
            "Our own program failed at this piece of work again and again, so it was put aside; "
            "all other work goes on. Tell the developers the kind and the id: the log has the "
            "rest. Once it is mended, have it tried again here."
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
            "The partner gave one number to two transactions of ours. Neither is believed until "
            "both keys were asked again; if that is not safe any more, the statement is read. "
            "Where neither settles it, find both entries in the partner's statement. One person "
            "proposes each one's number, with evidence, and a second one confirms."
        ),
    ),
    _K.CREDENTIALS: Advice(
        Severity.CRITICAL,
        _(
            "The partner turns our API key or client away, and does nothing that we ask. No new "
            "checkout takes points meanwhile; what was promised waits, and nothing is lost. Mend "
            "the key or the OAuth variables and restart: all is asked again within a minute, and "
            "this resolves itself."
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
