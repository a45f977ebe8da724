"""Asks staff about an order, and answers the company."""

from uuid import UUID

from django.db import IntegrityError, transaction
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
def ask(*, order: RedemptionOrder, text: str, token: UUID, by: Actor) -> OrderMessage:
    """Write a question of the company to staff. It waits until somebody answers. A second call with
    the same token returns the same question.

    Raises RedemptionError, with a sentence, for an empty or too long text, and after
    MOST_UNANSWERED questions without an answer.
    """
    if not may_ask(by, order):
        raise RedemptionError(_("Your role in this company does not include this."))
    held = locked(order.pk)
    written = _written(text)
    if done := _written_with(token, held, by, written):
        return done
    newest = list(held.messages.order_by("-at", "-id")[:MOST_UNANSWERED])
    if len(newest) == MOST_UNANSWERED and all(
        each.kind == OrderMessageKind.QUESTION for each in newest
    ):
        raise RedemptionError(_("We have your questions and answer as soon as we can."))
    WaitingQuestion.objects.get_or_create(order=held)
    return _write(held, OrderMessageKind.QUESTION, written, token, by)


@transaction.atomic
def answer(*, order: RedemptionOrder, text: str, seen: str, token: UUID, by: Actor) -> OrderMessage:
    """Answer the company's questions about the order, in its timeline and by a letter. A second
    call with the same token returns the same answer.

    `seen` is the key of the newest message when the form was shown. Raises RedemptionError when
    another message came since, so that nobody answers twice, or what was not read.
    """
    held = _held_by_staff(order, by)
    written = _written(text)
    if done := _written_with(token, held, by, written):
        return done
    _must_have_seen(held, seen)
    message = _write(held, OrderMessageKind.ANSWER, written, token, by)
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
def settle(*, order: RedemptionOrder, seen: str, token: UUID, by: Actor) -> None:
    """Record that the newest message needs no answer, as after thanks. A second call with the same
    token changes nothing.
    """
    held = _held_by_staff(order, by)
    if _written_with(token, held, by, ""):
        return
    _must_have_seen(held, seen)
    if not WaitingQuestion.objects.filter(order=held).delete()[0]:
        raise RedemptionError(_("No question about this order waits for an answer."))
    _write(held, OrderMessageKind.SETTLED, "", token, by)


def _held_by_staff(order: RedemptionOrder, by: Actor) -> RedemptionOrder:
    must_be_staff(may_answer(by), _("answer questions about orders"))
    return locked(order.pk)


def _written_with(token: UUID, order: RedemptionOrder, by: Actor, text: str) -> OrderMessage | None:
    """The same text of the same person with this token; None for nothing. The order is locked."""
    return order.messages.filter(pk=token, by=by.person_id, text=text).first()


def _must_have_seen(held: RedemptionOrder, seen: str) -> None:
    newest = held.messages.order_by("-at", "-id").select_related("by").first()
    if newest is None or str(newest.pk) != seen:
        who = str(newest.by) if newest else ""
        raise RedemptionError(
            _("%(who)s wrote about this order since the page was made. Read it first.")
            % {"who": who or _("Somebody")}
        )


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


def _write(
    order: RedemptionOrder, kind: OrderMessageKind, text: str, token: UUID, by: Actor
) -> OrderMessage:
    try:
        with transaction.atomic():
            return OrderMessage.objects.create(
                pk=token, order=order, kind=kind, text=text, by_id=by.person_id
            )
    except IntegrityError as error:  # something else was written with this token
        raise RedemptionError(_("This form was used before. Open the page again.")) from error
