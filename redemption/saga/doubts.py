"""Transactions that the partner gave the same number
(docs/decisions/0022-the-number-of-another.md).

Neither counts until both keys were asked again, each only while it may be repeated; then the
statement or people decide. The transaction that has the number is its holder and has succeeded. The
one that was given it too is its rival and waits.
"""

import enum
import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.loyalty import TransactionAnswer
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.leases import ENDED
from loyalty_portal.partners.calls import KeyedCallQuerySet
from loyalty_portal.partners.client import Answer, Outcome
from redemption.incidents.services import settle_incident
from redemption.models import (
    EventSubject,
    LoyaltyTransaction,
    OrderEvent,
    RedemptionOrder,
    TransactionType,
)
from redemption.saga import numbers
from redemption.saga.steps import locked
from redemption.states import OPEN_TRANSACTION, Doubt, IncidentKind, TransactionStatus

# Refusals of a credit that put its debit's number in doubt. Nothing was given back.
WRONG_DEBIT = frozenset({"transaction_not_found", "refund_exceeds_debit"})
PAUSE = 5.0  # seconds until the next check whether another key was asked
LONG_HELD = timedelta(minutes=30)  # after this time somebody should know that a credit is held back

_rows = LoyaltyTransaction.objects


class NextAction(enum.Enum):
    """What to do next about a due transaction."""

    ASK = "send its bytes under its key"
    WAIT = "another has to be asked first"
    CHECK = "look for its debit's number in the partner's statement"
    BELIEVE = "take the number, which nobody claims any more"
    READ = "look for it in the partner's statement"
    PERSON = "people must find out"


def next_action(intent: LoyaltyTransaction) -> NextAction:
    """Decide whether to call, ask again, read the statement or hand a due transaction over to
    people.
    """
    if intent.original is not None and (intent.original.doubt or held_back_by(intent)):
        return NextAction.WAIT  # a credit names its debit's number, so it waits for it
    if numbers.must_be_checked(intent):
        return NextAction.CHECK
    if intent.may_be_sent() and intent.doubt != Doubt.INSISTS:
        return NextAction.ASK
    return _without_asking(intent)


def _without_asking(intent: LoyaltyTransaction) -> NextAction:
    if not intent.doubt:
        return NextAction.PERSON
    asked = _others(intent).filter(doubt=Doubt.ASK, next_attempt_at__isnull=False)
    if asked.repeatable().exists():
        return NextAction.WAIT
    has_none = not intent.external_transaction_id
    if has_none and intent.disputed_id and not holders(intent.disputed_id).exists():
        return NextAction.BELIEVE
    return NextAction.READ if settings.LOYALTY_API_STATEMENT else NextAction.PERSON


def holders(number: str) -> KeyedCallQuerySet[LoyaltyTransaction]:
    """The transaction that has this number, if any."""
    return _rows.filter(external_transaction_id=number).exclude(external_transaction_id="")


def rivals(number: str) -> KeyedCallQuerySet[LoyaltyTransaction]:
    """The unsettled transactions that were given this number too."""
    rows = _rows.filter(disputed_id=number).exclude(disputed_id="").exclude(doubt="")
    return rows.exclude(external_transaction_id=number)


def claimants(debit: LoyaltyTransaction) -> KeyedCallQuerySet[LoyaltyTransaction]:
    """The transactions that may prove to own this debit's number.

    These may have taken points from the same company and have no number yet. A partner can only
    give the number of an existing entry, so transactions first sent after the debit was settled are
    left out, unless the debit had another number before. Left out too is what waits for people
    after its key was repeated up to the horizon: the partner had a day to name its number.
    """
    unsettled = Q(status__in=OPEN_TRANSACTION, first_sent_at__isnull=False)
    if settings.LOYALTY_API_IDEMPOTENT:
        unsettled &= ~Q(status=TransactionStatus.NEEDS_REVIEW)
    if not debit.disputed_id:
        unsettled &= Q(first_sent_at__lt=debit.settled_at)
    gave_up = ~Q(disputed_id="") & Q(status=TransactionStatus.SUCCEEDED, external_transaction_id="")
    takes = (TransactionType.DEBIT, TransactionType.CORRECTION)
    rows = _rows.filter(unsettled | gave_up, company=debit.company_id, transaction_type__in=takes)
    return rows.exclude(pk=debit.pk)


def held_back_by(credit: LoyaltyTransaction) -> LoyaltyTransaction | None:
    """A transaction that may own the number that a credit names, so that the credit must wait.

    Transactions that wait for people come first. Only an unsent credit waits: the outcome of a sent
    one must be found out in any case. Returns None when nothing holds it back.
    """
    if credit.original is None or credit.first_sent_at is not None:
        return None
    peoples_first = F("next_attempt_at").asc(nulls_first=True)
    return claimants(credit.original).select_related("order").order_by(peoples_first).first()


def why_held_back(credit: LoyaltyTransaction, claimant: LoyaltyTransaction) -> str:
    """Why a credit is held back, for a person.

    Returns "" while it has not waited for long, or while an incident says so already.
    """
    long_held = _rows.filter(pk=credit.pk, created_at__lt=Now() - LONG_HELD).exists()
    if credit.incident_cases.unended().exists() or not (claimant.is_undecided or long_held):
        return ""
    told = _(
        "Points that are owed wait until the outcome of %(order)s's debit is known: it may own "
        "the number that the partner gave for this order's debit."
    )
    return told % {"order": claimant.order.order_number}


def _others(intent: LoyaltyTransaction) -> KeyedCallQuerySet[LoyaltyTransaction]:
    about = Q(disputed_id=intent.external_transaction_id) & ~Q(disputed_id="")
    if intent.disputed_id:
        about |= Q(external_transaction_id=intent.disputed_id)
    return _rows.filter(about).exclude(pk=intent.pk)


def locked_with_others(intent: LoyaltyTransaction, number: str = "") -> RedemptionOrder:
    """Lock and return the transaction's order, together with the orders of all transactions in the
    same doubt or with `number`, in the order of locking.
    """
    if not (intent.doubt or number):
        return locked(intent.order_id)
    about = _others(intent) | holders(number)
    keys = sorted({intent.order_id, *about.values_list("order_id", flat=True)})
    return {key: locked(key) for key in keys}[intent.order_id]


def believed(intent: LoyaltyTransaction) -> TransactionAnswer:
    """Build a SUCCEEDED answer with this number; no other transaction can own it."""
    told = Answer(Outcome.SUCCEEDED, detail=_("Nobody else has this number any more."))
    return TransactionAnswer(told, intent.disputed_id)


# --- Doubting, and what ends it ------------------------------------------------------------


def doubt_holder(number: str, *, insisted: bool) -> LoyaltyTransaction | None:
    """Doubt the transaction that has `number`, so that its key is asked again at once. Returns it.

    `insisted`: the rival was asked again, and the partner confirmed the number.
    """
    # The comparison with the statement doubts a transaction without the lock of its order.
    holder = holders(number).select_for_update(no_key=True).select_related("order").first()
    if holder is None:
        return None
    if not holder.doubt:
        # An earlier, finished dispute does not count.
        holder.doubt, holder.disputed_id = Doubt.ASK, ""
    elif not (insisted and holder.doubt == Doubt.INSISTS):
        return holder  # the holder is being asked, or was asked and the rival is not yet
    _rows.filter(pk=holder.pk).update(
        doubt=holder.doubt, disputed_id=holder.disputed_id, next_attempt_at=Now()
    )
    holder.next_attempt_at = timezone.now()
    return holder


def given_twice(number: str, holder: LoyaltyTransaction) -> str:
    """Incident text: the partner gave one number to two transactions; which one is wrong is
    unknown.
    """
    told = _(
        "The partner gave it the number %(number)s, which %(order)s has: one of them is wrong, "
        "and both are asked again."
    )
    return told % {"number": number, "order": holder.order.order_number}


def whose(intent: LoyaltyTransaction) -> str:
    """What people must find out about a transaction in doubt."""
    told = _(
        "The partner gave its number %(number)s to two transactions, and does not tell whose it is."
    )
    if not _others(intent).exists():
        told = _("The partner does not tell whether %(number)s is the number of this.")
    return told % {"number": intent.disputed_id or intent.external_transaction_id or "–"}


def may_give_up(number: str) -> bool:
    """Whether two people may take `number` from its holder: only if they decide its number too.

    The caller has locked the holder's order.
    """
    holder = holders(number).first()
    return holder is None or holder.is_undecided


def contest(number: str, *, to: LoyaltyTransaction) -> LoyaltyTransaction:
    """Doubt the holder of `number`, because two people say that it belongs to `to`. Returns the
    holder.

    Its key is asked again while it may be repeated; otherwise the statement or people decide.
    """
    doubt_holder(number, insisted=False)
    if not to.disputed_id:
        _rows.filter(pk=to.pk).update(doubt=Doubt.INSISTS, disputed_id=number)
    return holders(number).select_related("order").get()


def give_up(number: str, *, to: LoyaltyTransaction) -> None:
    """Take `number` from its holder, because two people say that it belongs to `to`.

    The old holder is then asked for its own number.
    """
    holders(number).exclude(pk=to.pk).update(
        external_transaction_id="", doubt=Doubt.ASK, disputed_id=number, next_attempt_at=Now()
    )


def wake(number: str, *, ask: bool) -> None:
    """Make the rivals due after the holder was asked. `ask`: the number is free, so ask
    them again.

    One that has succeeded and was told the number again is not asked a third time.
    """
    changes: dict[str, Any] = {"doubt": Doubt.ASK} if ask else {}
    rivals(number).filter(status=TransactionStatus.UNKNOWN).update(next_attempt_at=Now(), **changes)
    rivals(number).filter(status=TransactionStatus.SUCCEEDED).update(next_attempt_at=Now())


def lose(intent: LoyaltyTransaction, *, told: str) -> None:
    """Note that a succeeded transaction has lost its number: the partner gave it `told`, which
    another has.

    Who was given the lost number before is asked again. The caller has saved the loss.
    """
    lost = intent.external_transaction_id
    if not lost:
        return
    why = _("The partner gives it the number %(now)s now; it had %(before)s.")
    _note(intent, why % {"now": told, "before": lost}, by=SYSTEM)
    wake(lost, ask=True)


def keep(intent: LoyaltyTransaction) -> None:
    """End the case about a transaction whose number was confirmed."""
    told = _("The partner confirms its number %(number)s.")
    settle_incident(key=_key(intent), why=told % {"number": intent.external_transaction_id})


def end(intent: LoyaltyTransaction, number: str) -> None:
    """End the doubt about `number` after `intent`, which was given it before, was settled."""
    why = _("%(order)s has a number of its own now.") % {"order": intent.order.order_number}
    settle_incident(key=_key(intent), why=why)
    _release(intent, number, why)


def _release(intent: LoyaltyTransaction, number: str, why: str) -> None:
    """End the doubt about the holder of `number` that `intent` caused."""
    if intent.external_transaction_id == number or rivals(number).exclude(pk=intent.pk).exists():
        return
    for holder in holders(number).exclude(doubt=""):
        _rows.filter(pk=holder.pk).update(doubt="", **ENDED)
        settle_incident(key=_key(holder), why=why)


def correct(held: LoyaltyTransaction, number: str, *, by: Actor = SYSTEM) -> None:
    """Record that `number` belongs to `held`, in place of the number it had before.

    The caller has locked its order and saved the number. Its credits then name the new number, and
    the transaction that was given the old one is asked again.
    """
    before, disputed = held.external_transaction_id, held.disputed_id
    held.external_transaction_id, held.disputed_id = number, before or disputed
    _rows.filter(pk=held.pk).update(disputed_id=held.disputed_id)  # `claimants` reads it
    told = _("The partner's number of this is %(now)s, and not %(before)s, which is another's.")
    if held.disputed_id == number:
        told = _("The partner's number of this is %(now)s.")
    why = told % {"now": number, "before": held.disputed_id or "–"}
    _note(held, why, by=by)
    settle_incident(key=_key(held), why=why)
    # The lock of the order does not keep a worker from claiming an unsent credit.
    for credit in held.credits.select_for_update(no_key=True).exclude(
        status=TransactionStatus.SUCCEEDED
    ):
        name_anew(credit, number)
    for rival in rivals(before) if before else ():
        named = _("The partner had given its number to %(order)s. %(why)s")
        settle_incident(key=_key(rival), why=named % {"order": held.order.order_number, "why": why})
    wake(before, ask=True)
    _release(held, disputed, why)


def _note(about: LoyaltyTransaction, why: str, *, by: Actor) -> None:
    OrderEvent.objects.create(
        order_id=about.order_id,
        transaction=about,
        subject=EventSubject.NOTE,
        by_id=by.user_id,
        reason=why[:255],
    )


def why_refused(credit: LoyaltyTransaction, debit: LoyaltyTransaction) -> str:
    """Why the partner may say that the debit with the right number is missing or given back
    already.

    Returns "" when our own transactions do not explain it; then the debit is asked for its number
    again.
    """
    number = debit.external_transaction_id
    others = _rows.filter(company=credit.company_id, transaction_type=TransactionType.CREDIT)
    booked = others.exclude(order=credit.order_id).filter(body__contains=json.dumps(number))
    other = booked.filter(status=TransactionStatus.SUCCEEDED).select_related("order").first()
    if other is None:
        _rows.filter(pk=debit.pk).repeatable().update(
            doubt=Doubt.ASK, disputed_id="", next_attempt_at=Now()
        )
        return ""
    told = _(
        "The partner booked the credit %(entry)s of %(order)s on the debit %(number)s, which is "
        "this order's. Have it moved there, and then ask again for this one."
    )
    entry = other.external_transaction_id
    return told % {"entry": entry, "order": other.order.order_number, "number": number}


def name_anew(credit: LoyaltyTransaction, number: str) -> bool:
    """Let a credit name its debit's right number, under a new key. Returns whether it was changed.

    Only for credits that never reached the partner or were refused for the debit that they name:
    nothing was given back, nor will be under the old key, which keeps its bytes and its refusal.
    """
    asked = json.loads(credit.body)
    if asked["original_transaction_id"] == number:
        return False
    refused = credit.answer_code in WRONG_DEBIT and credit.status in {
        TransactionStatus.NEEDS_REVIEW,
        TransactionStatus.UNKNOWN,
    }
    unsent = credit.first_sent_at is None and credit.status in {
        TransactionStatus.INTENDED,
        TransactionStatus.UNKNOWN,
    }
    if not (refused or unsent):
        return False
    body = loyalty.credit_body(
        account_id=asked["account_id"],
        points=asked["points"],
        reference=asked["reference"],
        original_transaction_id=number,
        description=asked["description"],
    ).decode()
    _rows.filter(pk=credit.pk).update(
        key=f"credit:{credit.pk}:{number}", body=body, first_sent_at=None, next_attempt_at=Now()
    )
    return True


def _key(intent: LoyaltyTransaction) -> str:
    return f"{IncidentKind.SWAPPED.lower()}:{intent.pk}"
