"""Recipients who are asked where to send something, by a link."""

import hashlib
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.encrypted_field import EncryptedTextField
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from redemption.models.orders import OrderItem, RedemptionOrder
from redemption.states import LineStatus, WaitsFor

REMINDED_BEFORE = timedelta(days=7)  # before the time for an answer ends


def hashed(token: str) -> str:
    """The hash under which a link's token is stored. It has 256 random bits, so it needs no
    salt.
    """
    return hashlib.sha256(token.encode()).hexdigest()


class AskQuerySet(LeasedQuerySet["RecipientAsk"]):
    """Finds asks by the token of their link."""

    def of_token(self, token: str) -> Self:
        """The ask whose link, of the letter or of its reminder, holds this token."""
        digest = hashed(token)
        return self.filter(Q(token_hash=digest) | Q(reminder_hash=digest))


class RecipientAsk(LeasedWork):
    """That one person is asked about all lines of an order that wait for them: those with this name
    and e-mail address. The row is the queue of the letter and of its reminder.

    It is due once the points are taken. `secret` is the token of a letter until that was sent; only
    hashes of tokens stay.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(RedemptionOrder, models.PROTECT, related_name="asks")
    name = models.CharField(_("name"), max_length=255)
    email = models.EmailField(_("e-mail"))
    token_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)
    reminder_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)
    secret = EncryptedTextField(null=True, editable=False)
    letters = models.PositiveSmallIntegerField(
        default=0, help_text=_("Letters with a link that were written, without reminders.")
    )
    until = models.DateTimeField(
        null=True, blank=True, help_text=_("When the time for an answer ends.")
    )
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    reminded_at = models.DateTimeField(_("reminded"), null=True, blank=True)
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=255, blank=True)

    personal_columns = ("name", "email")

    objects = AskQuerySet.as_manager()

    class Meta:
        verbose_name = _("recipient who is asked")
        verbose_name_plural = _("recipients who are asked")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["order", "name", "email"], name="ask_once"),
        ]
        indexes = [due_index("recipient_ask_due")]

    def __str__(self) -> str:
        return str(self.pk)

    def lines(self) -> models.QuerySet[OrderItem]:
        """The lines that wait for this person's answer."""
        return OrderItem.objects.filter(
            order=self.order_id,
            recipient_name=self.name,
            recipient_email=self.email,
            waits_for=WaitsFor.RECIPIENT,
            fulfillment_status=LineStatus.WAITING,
        )
