"""The points in an order's timeline: taken, given back, taken again, or not clear yet."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty_portal.data.texts.numbers import grouped
from redemption.models import LoyaltyTransaction
from redemption.models.badges import UNDER_WAY, refusal_told
from redemption.models.points import HELD_BACK
from redemption.orders.facts import Facts
from redemption.orders.steps.step import TimelineStep, sentence
from redemption.states import TransactionStatus

A_WHILE = timedelta(seconds=30)


def movements(facts: Facts) -> Iterator[TimelineStep]:
    """The steps for debits, credits and corrections. Of an order of many lines the credits that
    succeeded for the same reason are one step.
    """
    given: dict[str, list[LoyaltyTransaction]] = {}
    for intent in facts.transactions:
        if facts.many and intent.settled_at and not intent.is_debit and _took_place(intent):
            given.setdefault(intent.reason, []).append(intent)
        else:
            yield _movement(facts, intent)
    for alike in given.values():
        yield _movement(facts, alike[0]) if len(alike) == 1 else _together(facts, alike)


def _took_place(intent: LoyaltyTransaction) -> bool:
    return intent.status == TransactionStatus.SUCCEEDED


def _together(facts: Facts, alike: list[LoyaltyTransaction]) -> TimelineStep:
    points = grouped(sum(credit.points_amount for credit in alike))
    title = _("%(points)s points given back to %(company)s’s account")
    times = ngettext("In %(n)s transaction.", "In %(n)s transactions.", len(alike))
    return TimelineStep(
        title % {"points": points, "company": facts.order.company.name},
        f"{sentence(alike[0].reason)} {times % {'n': len(alike)}}".strip(),
        "undo-2",
        "ok",
        max(credit.settled_at for credit in alike if credit.settled_at),
    )


def _movement(facts: Facts, intent: LoyaltyTransaction) -> TimelineStep:
    if intent.is_correction:
        return _correction(facts, intent)
    return _debit(facts, intent) if intent.is_debit else _credit(facts, intent)


def _debit(facts: Facts, debit: LoyaltyTransaction) -> TimelineStep:
    words = {"points": grouped(debit.points_amount), "company": facts.order.company.name}
    if debit.status == TransactionStatus.SUCCEEDED:
        title = _("%(points)s points taken from %(company)s’s account")
        return TimelineStep(title % words, _reference(debit), "coins", "ok", debit.settled_at)
    if debit.status == TransactionStatus.REFUSED:
        text = _("%(why)s No points were taken, and the products are no longer held for you.")
        title = _("The points were not given")
        text = text % {"why": refusal_told(debit.answer_code)}
        return TimelineStep(title, text, "circle-x", "bad", debit.settled_at)
    if debit.status in UNDER_WAY:
        title = _("We are taking %(points)s points from %(company)s’s account")
        return TimelineStep(title % words, _patience(debit), "loader", "live")
    return _unclear(debit, _("Taking %(points)s points from %(company)s’s account") % words)


def _credit(facts: Facts, credit: LoyaltyTransaction) -> TimelineStep:
    words = {"points": grouped(credit.points_amount), "company": facts.order.company.name}
    if credit.status == TransactionStatus.SUCCEEDED:
        title = _("%(points)s points given back to %(company)s’s account")
        text = " ".join(part for part in (sentence(credit.reason), _reference(credit)) if part)
        return TimelineStep(title % words, text, "undo-2", "ok", credit.settled_at)
    if credit.status in UNDER_WAY:
        title = _("We are giving %(points)s points back to %(company)s’s account")
        return TimelineStep(title % words, _patience(credit), "loader", "live")
    if credit.pk in facts.refused:
        title = _("%(points)s points are still owed to %(company)s")
        text = _(
            "The loyalty system refused to give them back. A person is sorting it out; the points "
            "stay owed until they are back. You do not have to do anything."
        )
        return TimelineStep(title % words, text, "life-buoy", "warn")
    return _unclear(credit, _("Giving %(points)s points back to %(company)s’s account") % words)


def _correction(facts: Facts, correction: LoyaltyTransaction) -> TimelineStep:
    words = {"points": grouped(correction.points_amount), "company": facts.order.company.name}
    if correction.status == TransactionStatus.REFUSED:
        title = _("%(points)s points were not taken again")
        why = refusal_told(correction.answer_code)
        return TimelineStep(title % words, why, "circle-x", "", correction.settled_at)
    if correction.status == TransactionStatus.SUCCEEDED:
        title = _("%(points)s points taken again from %(company)s’s account")
        text = f"{_agreed(facts, correction)} {_reference(correction)}".strip()
        return TimelineStep(title % words, text, "coins", "ok", correction.settled_at)
    title = _("Taking %(points)s points again from %(company)s’s account") % words
    if correction.status in UNDER_WAY:
        return TimelineStep(
            title, f"{_agreed(facts, correction)} {_patience(correction)}", "loader", "live"
        )
    return _unclear(correction, title)


def _agreed(facts: Facts, correction: LoyaltyTransaction) -> str:
    """The reason for a correction: it was delivered after all, and somebody of the company
    agreed.
    """
    for decision in facts.remedies:
        if decision.pk == correction.decision_id and decision.agreed_on:
            text = _("It was delivered after all. %(who)s agreed to it on %(day)s.")
            day = date_format(decision.agreed_on)
            return text % {"who": decision.agreed_by, "day": day}
    return ""


def _patience(intent: LoyaltyTransaction) -> str:
    if intent.answer_code == HELD_BACK:
        return _(
            "The loyalty system has not told us yet how another order of your company ended. "
            "Until then nothing is sent, so that these points cannot go to the wrong order. It "
            "goes on by itself."
        )
    if timezone.now() - intent.created_at < A_WHILE:
        return _("This takes a few seconds.")
    return _("It takes longer than usual. It goes on by itself, also when you leave this page.")


def _unclear(intent: LoyaltyTransaction, title: str) -> TimelineStep:
    if intent.status == TransactionStatus.UNKNOWN:
        text = _(
            "The loyalty system has not answered clearly yet. We ask again with the same key "
            "until we know: nothing is taken or given twice."
        )
        return TimelineStep(title, text, "refresh-cw", "warn")
    text = _(
        "The loyalty system gave no clear answer. A person is finding out what happened; "
        "until then nothing moves. You do not have to do anything."
    )
    return TimelineStep(title, text, "life-buoy", "warn")


def _reference(intent: LoyaltyTransaction) -> str:
    reference = intent.external_transaction_id
    return _("Reference at the loyalty system: %(id)s") % {"id": reference}
