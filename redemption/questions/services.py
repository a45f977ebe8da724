"""Asks staff about an order, and answers the company."""

from django.db import transaction
from django.utils.translation import gettext as _

from loyalty_portal.data.actor import Actor
from redemption.models import (
    Letter,
    LetterKind,
    OrderMessage,
    OrderMessageKind,
    RedemptionOrder,
    WaitingQuestion,
)
from redemption.models.questions import LONGEST_QUESTION
from redemption.permissions import may_answer, may_ask
from redemption.saga.steps import RedemptionError, locked, must_be_staff

MOST_UNANSWERED = 20  # questions in a row, so that a form that is sent without end stops


@transaction.atomic
def ask(*, order: RedemptionOrder, text: str, by: Actor) -> OrderMessage:
    """Write a question of the company to staff. It waits until somebody answers.

    Raises RedemptionError, with a sentence, for an empty or too long text, and after
    MOST_UNANSWERED questions without an answer.
    """
    if not may_ask(by, order):
        raise RedemptionError(_("Your role in this company does not include this."))
    held = locked(order.pk)
    written = _written(text)
    newest = list(held.messages.order_by("-at", "-id")[:MOST_UNANSWERED])
    if len(newest) == MOST_UNANSWERED and all(
        each.kind == OrderMessageKind.QUESTION for each in newest
    ):
        raise RedemptionError(_("We have your questions and answer as soon as we can."))
    WaitingQuestion.objects.get_or_create(order=held)
    return _write(held, OrderMessageKind.QUESTION, written, by)


@transaction.atomic
def answer(*, order: RedemptionOrder, text: str, seen: str, by: Actor) -> OrderMessage:
    """Answer the company's questions about the order, in its story and by a letter.

    `seen` is the key of the newest message when the form was shown. Raises RedemptionError when
    another message came since, so that nobody answers twice, or what was not read.
    """
    held = _held_by_staff(order, seen, by)
    message = _write(held, OrderMessageKind.ANSWER, _written(text), by)
    WaitingQuestion.objects.filter(order=held).delete()
    asked = held.messages.filter(kind=OrderMessageKind.QUESTION).select_related("by")
    for email in {each.by.email for each in asked if each.by.is_active}:
        Letter.objects.create(
            order=held,
            kind=LetterKind.ANSWERED,
            key=f"answered:{message.pk}:{email}"[:120],
            to=email,
            facts={"answer": message.text},
        )
    return message


@transaction.atomic
def settle(*, order: RedemptionOrder, seen: str, by: Actor) -> None:
    """Record that the newest message needs no answer, as after thanks."""
    held = _held_by_staff(order, seen, by)
    if not WaitingQuestion.objects.filter(order=held).delete()[0]:
        raise RedemptionError(_("No question about this order waits for an answer."))
    _write(held, OrderMessageKind.SETTLED, "", by)


def _held_by_staff(order: RedemptionOrder, seen: str, by: Actor) -> RedemptionOrder:
    must_be_staff(may_answer(by), _("answer questions about orders"))
    held = locked(order.pk)
    newest = held.messages.order_by("-at", "-id").select_related("by").first()
    if newest is None or str(newest.pk) != seen:
        who = str(newest.by) if newest else ""
        raise RedemptionError(
            _("%(who)s wrote about this order since the page was made. Read it first.")
            % {"who": who or _("Somebody")}
        )
    return held


def _written(text: str) -> str:
    written = text.replace("\0", "").replace("\r\n", "\n").strip()
    if not written:
        raise RedemptionError(_("Write your message first."))
    if len(written) > LONGEST_QUESTION:
        raise RedemptionError(
            _("A message may have %(n)d characters; this one has %(has)d.")
            % {"n": LONGEST_QUESTION, "has": len(written)}
        )
    return written


def _write(order: RedemptionOrder, kind: OrderMessageKind, text: str, by: Actor) -> OrderMessage:
    return OrderMessage.objects.create(order=order, kind=kind, text=text, by_id=by.person_id)
