"""Reads how an ask stands, for the page of its link."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db.models import Min
from django.utils import timezone
from django.utils.translation import gettext as _

from redemption.models import OrderItem, RecipientAsk
from redemption.models.orders import signed


class AskState(StrEnum):
    """What the page of a link is about."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    PAUSED = "paused"  # the company is switched off
    ENDED = "ended"  # cancelled, or the company gave the address


@dataclass(frozen=True, slots=True)
class AskPage:
    """The one object of the page's templates. It shows what is sent, by which company, with what
    message, and nothing else.
    """

    ask: RecipientAsk
    standing: AskState
    items: list[OrderItem]  # what waits for the answer

    @property
    def company(self) -> str:
        return self.ask.order.company.name

    @property
    def by_parcel(self) -> bool:
        return any(not item.product.is_virtual for item in self.items)

    @property
    def said(self) -> list[str]:
        """The messages, each once, with who sends them."""
        seat = self.ask.order.account_manager
        return list(
            dict.fromkeys(signed(each.message, seat) for each in self.items if each.message)
        )

    @property
    def why_not(self) -> str:
        """Why no answer is taken, in a sentence; "" while one is."""
        return {
            AskState.OPEN: "",
            AskState.ANSWERED: _("This was answered already. Nothing more is needed."),
            AskState.EXPIRED: _("The time for an answer is over, so nothing is sent."),
            AskState.PAUSED: _(
                "No answer can be taken at the moment. Try the link again later, or ask whoever"
                " sent it to you."
            ),
            AskState.ENDED: _("This link is not needed any more: nobody waits for an answer."),
        }[self.standing]


def page_of(token: str) -> AskPage | None:
    """The page of the link with this token; None when no link has it (any more)."""
    rows = RecipientAsk.objects.of_token(token)
    ask = rows.select_related("order__company", "order__account_manager__user").first()
    if ask is None:
        return None
    items = list(ask.lines().select_related("product"))
    return AskPage(ask, _standing(ask, items), items)


def waiting_ask(key: UUID) -> RecipientAsk | None:
    """The ask with this key, without the secret of its link; None unless lines wait for its
    answer.
    """
    rows = RecipientAsk.objects.filter(pk=key).defer("secret")
    ask = rows.select_related("order__company", "order__account_manager__user").first()
    until = ask.lines().aggregate(until=Min("waits_until"))["until"] if ask else None
    if ask is None or until is None:
        return None
    ask.secret, ask.until = None, until
    return ask


def _standing(ask: RecipientAsk, items: list[OrderItem]) -> AskState:
    if ask.answered_at:
        return AskState.ANSWERED
    if ask.until is None or ask.until <= timezone.now():
        return AskState.EXPIRED
    if not items:
        return AskState.ENDED
    return AskState.OPEN if ask.order.company.is_active else AskState.PAUSED
