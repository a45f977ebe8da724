"""The work queues, and how the sweeper and Celery work one row.

A queue is a table whose rows are due work. A row whose work raises again and again (our error, or
bad data) is put aside for a person, so that all others go on. A partner that does not answer is no
such error: that is an outcome, and the call is repeated later.

settings.WORK_QUEUES lists the queues that are worked.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import (
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.db.models import QuerySet
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from accounts.models import PersonLetter
from accounts.seats import letters as people
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.virtual import saga as virtual
from inventory.digests import send_digest
from inventory.models import StockDigest
from loyalty_portal.data.leases import LeasedQuerySet
from loyalty_portal.data.lifecycle import StaleStatusError
from loyalty_portal.jobs import services as jobs
from loyalty_portal.jobs.models import Job
from loyalty_portal.queue.pause import is_paused
from redemption.incidents.notifications import send_alert
from redemption.incidents.services import raise_incident, settle_incident
from redemption.messages import notifications
from redemption.models import (
    Alert,
    Callback,
    IncidentCase,
    Letter,
    LineWait,
    LoyaltyTransaction,
    RedemptionOrder,
    Sms,
)
from redemption.models.orders import OrderQuerySet
from redemption.saga import inbox as callbacks
from redemption.saga import transactions, waiting
from redemption.states import IncidentKind

logger = logging.getLogger(__name__)

# The database is down, read-only, full or not migrated, or another worker was quicker. These are
# not the row's fault, and putting rows aside for them would stop everything.
_NOT_THE_ROWS = (
    OperationalError,
    InterfaceError,
    InternalError,
    ProgrammingError,
    StaleStatusError,
)


@dataclass(frozen=True, slots=True)
class Queue:
    """One table of work. `act` works the row with a given id; `order` finds its order, where it has
    one. Incidents and the sweeper's log name the `kind`. `hands`: the sweeper's threads for it,
    each with its own database connection.
    """

    kind: str
    model: Any
    act: Callable[[uuid.UUID], Any]
    order: Callable[[uuid.UUID], OrderQuerySet] | None = None
    hands: int = 4

    @property
    def rows(self) -> LeasedQuerySet[Any]:
        rows: LeasedQuerySet[Any] = self.model.objects.all()
        return rows


def _of_parcels(parcels: QuerySet[Fulfillment]) -> OrderQuerySet:
    return RedemptionOrder.objects.filter(items__in=parcels.values("reference"))


_orders = RedemptionOrder.objects
TRANSACTIONS = Queue(
    "transactions",
    LoyaltyTransaction,
    transactions.settle_transaction,
    lambda key: _orders.filter(transactions=key),
)
PARTNER_CALLS = Queue(
    "partner calls",
    PartnerCall,
    virtual.ask,
    lambda key: _of_parcels(Fulfillment.objects.filter(calls=key)),
)
POLLS = Queue(
    "polls",
    Fulfillment,
    virtual.poll,
    lambda key: _of_parcels(Fulfillment.objects.filter(pk=key)),
)
CALLBACKS = Queue("callbacks", Callback, callbacks.process)
LETTERS = Queue(
    "letters", Letter, notifications.send_letter, lambda key: _orders.filter(letters=key)
)
TEXT_MESSAGES = Queue(
    "text messages",
    Sms,
    notifications.send_text,
    lambda key: _orders.filter(letters__text_message=key),
    hands=1,
)
ALERTS = Queue("alerts", Alert, send_alert)
WAITING_LINES = Queue(
    "waiting lines", LineWait, waiting.end_wait, lambda key: _orders.filter(items=key)
)
LETTERS_TO_PEOPLE = Queue("letters to people", PersonLetter, people.send_letter)
LOW_STOCK_LETTERS = Queue("letters about low stock", StockDigest, send_digest)
JOBS = Queue("jobs", Job, jobs.work_on)


def queues() -> Mapping[str, Queue]:
    """The queues that settings.WORK_QUEUES names, by their kind, in that order."""
    return {queue.kind: queue for queue in map(import_string, settings.WORK_QUEUES)}


def work(kind: str, key: uuid.UUID) -> Any:
    """Work one due row. Returns what its work returned, or None when that raised, or while the
    portal is paused: this is the one door of all that leaves by itself.

    Raises only what is not the row's fault, such as the database being away.
    """
    if is_paused():
        return None
    try:
        return queues()[kind].act(key)
    except _NOT_THE_ROWS:
        raise
    except NotSupportedError:
        # After a migration a prepared statement may return other columns. PostgreSQL then refuses
        # it for as long as the connection keeps it.
        connection.close()
        raise
    except Exception as error:
        logger.exception("work: %s %s failed", kind, key)
        _set_back(kind, key, type(error).__name__)
        return None


@transaction.atomic
def _set_back(kind: str, key: uuid.UUID, error: str) -> None:
    queue = queues()[kind]
    find = queue.order
    order = next(iter(find(key).held()), None) if find else None
    if not queue.rows.set_back(key):
        return
    what = _("%(kind)s: the work on %(key)s raised %(error)s again and again.")
    facts = {"work": kind, "error": error}
    if kind != "alerts":
        facts["id"] = str(key)
    raise_incident(
        kind=IncidentKind.POISON_ROW,
        # All alerts share one incident, because the alert of a new one might fail as well.
        key=":".join(["poison_row", kind, facts.get("id", "")]),
        what=what % {"kind": kind, "key": key, "error": error},
        order=order,
        transaction=LoyaltyTransaction.objects.filter(pk=key).first(),
        facts=facts,
    )


def rows_of(case: IncidentCase) -> LeasedQuerySet[Any]:
    """The rows that a case of a POISON_ROW incident is about; they may be back at work."""
    rows = queues()[case.facts["work"]].rows
    return rows.filter(pk=case.facts["id"]) if "id" in case.facts else rows


def settle_mended() -> int:
    """End the cases whose rows have been worked since. Returns how many."""
    poisoned = IncidentCase.objects.unended().filter(incident__kind=IncidentKind.POISON_ROW)
    why = _("It was tried again, and it worked.")
    return sum(
        settle_incident(key=case.key, why=why)
        for case in poisoned
        if not rows_of(case).exclude(raised=0).exists()
    )
