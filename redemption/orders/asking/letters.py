"""The letter with the link, in the language and time zone of its reader."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse

from accounts.models import User
from accounts.models.readers import reader_of
from loyalty_portal.configuration import brand
from loyalty_portal.data.texts import mail
from loyalty_portal.data.texts.some import some_of
from redemption.models import RecipientAsk
from redemption.models.orders import signed

NOT_SHOWN = "not-shown"  # instead of the secret of a link


def compose(ask: RecipientAsk) -> EmailMultiAlternatives:
    """The letter that is due, with `ask.secret` in its link, if it has one: a reminder once one was
    sent.
    """
    person = User.objects.filter(email__iexact=ask.email).first()
    with reader_of(person, ask.order.company).reading():
        return _composed(ask)


def _composed(ask: RecipientAsk) -> EmailMultiAlternatives:
    items = list(ask.lines().select_related("product"))
    by_parcel = any(not item.product.is_virtual for item in items)
    seat = ask.order.account_manager
    facts: dict[str, Any] = {
        "ask": ask,
        "is_reminder": ask.sent_at is not None,
        "by_parcel": by_parcel,
        "company": ask.order.company,
        "products": some_of(f"{item.quantity} × {item.product_name}" for item in items),
        "said": sorted({signed(item.message, seat) for item in items if item.message}),
        "brand": brand.current(),
        "portal_url": settings.PORTAL_URL,
        "link": f"{settings.PORTAL_URL}{reverse('for_you', args=[ask.secret or NOT_SHOWN])}",
    }
    name = f"ask-{ask.pk}-{ask.letters}{'-reminder' if facts['is_reminder'] else ''}"
    return mail.written("redemption/email/asked", facts, to=ask.email, name=name)
