"""Which cases have the same cause: all cases of one cause, close in time, are one incident."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from redemption.states import IncidentKind

# A case within this time after the last one of the same cause belongs to the same incident and
# sends no new alert. The alert about an incident's end also waits for so long.
WINDOW = timedelta(hours=1)

_K = IncidentKind
_AT_A_PARTNER = frozenset(
    {
        _K.MISMATCH,
        _K.SWAPPED,
        _K.CONTRADICTION,
        _K.HORIZON,
        _K.CREDIT_REFUSED,
        _K.CREDIT_LATE,
        _K.PUZZLING_CALLBACK,
    }
)
# For these kinds, the facts that distinguish one cause from another.
_BY_FACTS: Mapping[str, tuple[str, ...]] = {
    _K.STUCK_ORDER: ("status",),
    _K.POISON_ROW: ("work", "error"),
    _K.STOCK_DRIFT: (),
    _K.UNREADABLE: (),
}


def cause_of(kind: IncidentKind, key: str, facts: Mapping[str, Any], *, about_points: bool) -> str:
    """The cause of the case `key`, as in "mismatch:loyalty".

    For a kind that is not listed here each case has its own cause.
    """
    if kind in _AT_A_PARTNER:
        return f"{kind.lower()}:{'loyalty' if about_points else 'fulfillment'}"
    if kind in _BY_FACTS:
        told = [str(facts.get(name, "")) for name in _BY_FACTS[kind]]
        return ":".join([kind.lower(), *told])
    return key
