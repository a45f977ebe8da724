"""Letters to people, and callbacks from partners."""

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from loyalty_portal.data.encrypted_field import EncryptedTextField
from loyalty_portal.data.history import never_deleted
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from loyalty_portal.data.texts.numbers import grouped
from redemption.models.orders import OrderItem, RedemptionOrder


class LetterKind(models.TextChoices):
    """The kinds of letters about an order."""

    CONFIRMED = "confirmed", _("Order confirmed")
    SHIPPED = "shipped", _("Shipped")
    DELIVERED = "delivered", _("Delivered")
    CANCELLED = "cancelled", _("Cancelled")
    REFUNDED = "refunded", _("Points given back")
    DECLINED = "declined", _("Declined")
    CORRECTED = "corrected", _("Put right")
    DIGEST = "digest", _("News")
    RESENT = "resent", _("Codes sent again")
    ANSWERED = "answered", _("Answer to a question")
    PLACED = "placed", _("Ordered for you")
    APPROVAL_ASKED = "approval_asked", _("Approval asked for")
    APPROVAL_REMINDED = "approval_reminded", _("Reminder of an approval")
    APPROVAL_ENDING = "approval_ending", _("Approval that runs out")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Not approved")
    EXPIRED = "expired", _("Approval ran out")


# To those who decide; all others are to whoever ordered.
TO_APPROVERS = (
    LetterKind.APPROVAL_ASKED,
    LetterKind.APPROVAL_REMINDED,
    LetterKind.APPROVAL_ENDING,
)

# Nearly each order has them, so a list of them needs no index of their kind.
FREQUENT = (
    LetterKind.CONFIRMED.value, LetterKind.SHIPPED.value, LetterKind.DELIVERED.value,
)  # fmt: skip


class Letter(LeasedWork):
    """A letter to be sent once. The row is both the intent and the record."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(RedemptionOrder, models.PROTECT, related_name="letters")
    item = models.ForeignKey(OrderItem, models.PROTECT, null=True, blank=True, related_name="+")
    kind = models.CharField(_("letter"), max_length=20, choices=LetterKind.choices)
    key = models.CharField(
        max_length=120,
        unique=True,
        help_text=_("Identifies the occasion, so that it gets one letter."),
    )
    to = models.EmailField(pgettext_lazy("recipient", "to"))
    facts = models.JSONField(default=dict, help_text=_("The values in its text, without codes."))
    # Needs no index: such letters are found by their order.
    again_of = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text=_("The letter that staff had sent once more."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=255, blank=True)

    objects = LeasedQuerySet["Letter"].as_manager()

    class Meta:
        verbose_name = _("letter")
        verbose_name_plural = _("letters")
        permissions = [("send_letter_again", "Can have a letter sent once more")]
        ordering = ["created_at", "id"]
        indexes = [
            due_index("letter_due"),
            models.Index(OpClass(Upper("to"), "text_pattern_ops"), name="letter_to"),
            models.Index(fields=["-id"], name="letter_unsent", condition=Q(sent_at__isnull=True)),
            models.Index(
                fields=["kind", "-id"], name="letter_of_rare_kind", condition=~Q(kind__in=FREQUENT)
            ),
            models.Index(
                fields=["created_at"],
                name="letter_troubled",
                condition=Q(sent_at__isnull=True) & ~Q(problem=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.to}"

    @staticmethod
    def gathering_key(order_id: UUID) -> str:
        """The key of the order's digest that still gathers news. Another one begins once it is
        closed and has a key of its own.
        """
        return f"{LetterKind.DIGEST}:{order_id}"

    @property
    def sms(self) -> "Sms | None":
        """The text message that goes with it, if there is one. Read it with the letters."""
        return getattr(self, "text_message", None)

    @property
    def is_gathering(self) -> bool:
        return self.key == self.gathering_key(self.order_id)

    @property
    def news(self) -> str:
        """What a closed digest tells, in a few words; "" for other letters."""
        told = [sum(max(0, units) for units in each) for each in zip(*self._lines, strict=True)]
        words = (
            _("%(n)s sent"),
            _("%(n)s delivered"),
            _("%(n)s not delivered"),
            _("%(n)s came back"),
        )
        counts = [(word, count) for word, count in zip(words, told, strict=False) if count]
        if (back := self.facts.get("back", 0)) > 0:
            counts.append((_("%(n)s points back"), back))
        return ", ".join(word % {"n": grouped(count)} for word, count in counts)

    @property
    def _lines(self) -> list[list[int]]:
        """The units of each line in a closed digest: shipped, delivered, lost, came
        back.
        """
        return list(self.facts.get("lines", {}).values())


class Sms(LeasedWork):
    """That a person is told a letter's news by SMS too, once. Its words and the person's number are
    looked up when it is sent.
    """

    NOT_WANTED = "not wanted any more"  # a problem that is none

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    letter = models.OneToOneField(Letter, models.PROTECT, related_name="text_message")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=255, blank=True)

    objects = LeasedQuerySet["Sms"].as_manager()

    class Meta:
        verbose_name = _("text message")
        verbose_name_plural = _("text messages")
        default_permissions = ()
        indexes = [due_index("text_message_due")]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_dropped(self) -> bool:
        """Whether nobody wanted it any more when it was to be sent."""
        return self.problem == self.NOT_WANTED


class CallbackState(models.TextChoices):
    """What was done with a partner's callback."""

    RECEIVED = "RECEIVED", _("Received")
    PARKED = "PARKED", _("Parked: reference not known yet")
    PROCESSED = "PROCESSED", _("Processed")
    PUZZLING = "PUZZLING", _("Cannot be processed")


class Callback(LeasedWork):
    """The inbox of verified webhooks. Rows are kept forever to recognize repeats."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook_id = models.CharField(max_length=255, unique=True)
    event_type = models.CharField(max_length=60)
    reference = models.CharField(max_length=100, db_index=True)
    body = EncryptedTextField(help_text=_("As received. It may contain codes."))
    state = models.CharField(
        max_length=10, choices=CallbackState.choices, default=CallbackState.RECEIVED
    )
    problem = models.CharField(max_length=255, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    objects = LeasedQuerySet["Callback"].as_manager()

    class Meta:
        verbose_name = _("callback")
        verbose_name_plural = _("callbacks")
        ordering = ["-received_at", "-id"]
        indexes = [
            due_index("callback_due"),
            models.Index(fields=["-id"], name="callback_received", condition=Q(state="RECEIVED")),
            models.Index(
                fields=["-received_at"],
                name="callback_puzzling",
                condition=Q(state__in=["PARKED", "PUZZLING"]),
            ),
        ]
        triggers = never_deleted()

    def __str__(self) -> str:
        return f"{self.event_type} {self.reference}"
