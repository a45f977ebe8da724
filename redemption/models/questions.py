"""What a company asks about an order, and what staff answer."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Length, NullIf
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from redemption.models.orders import RedemptionOrder

LONGEST_QUESTION = 2000  # characters, of an answer too


class OrderMessageKind(models.TextChoices):
    """Who wrote a message about an order, and whether the company waits after it."""

    QUESTION = "QUESTION", _("Question")
    ANSWER = "ANSWER", _("Answer")
    SETTLED = "SETTLED", _("No answer needed")


class OrderMessage(models.Model):
    """One message between a company and staff about an order; never changed.

    The company sees questions and answers. SETTLED has no text and is for staff only.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(RedemptionOrder, models.PROTECT, related_name="messages")
    kind = models.CharField(_("kind"), max_length=10, choices=OrderMessageKind.choices)
    text = models.TextField(_("text"), max_length=LONGEST_QUESTION, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    at = models.DateTimeField(_("written"), auto_now_add=True)

    personal_columns = ("text",)

    class Meta:
        verbose_name = _("message about an order")
        verbose_name_plural = _("messages about orders")
        default_permissions = ("view",)
        permissions = [("answer_question", "Can answer what companies ask about orders")]
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="SETTLED", text="") | (~Q(kind="SETTLED") & ~Q(text="")),
                name="order_message_has_text",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("text"), LONGEST_QUESTION),
                name="order_message_not_too_long",
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d %H:%M}"


class WaitingQuerySet(models.QuerySet["WaitingQuestion"]):
    """Questions that wait, with who asked."""

    def with_who(self) -> Any:
        """Adds `asked_by`: the name of whoever asked the first unanswered question."""
        asked = OrderMessage.objects.filter(
            order=OuterRef("order"), kind=OrderMessageKind.QUESTION, at__gte=OuterRef("since")
        )
        name = Coalesce(NullIf("by__name", Value("")), "by__email", output_field=models.CharField())
        return self.annotate(asked_by=Subquery(asked.order_by("at", "id").values(called=name)[:1]))


class WaitingQuestion(models.Model):
    """An order whose company waits for an answer. The row goes with the answer."""

    order = models.OneToOneField(
        RedemptionOrder, models.CASCADE, primary_key=True, related_name="waiting_question"
    )
    since = models.DateTimeField(
        _("since"), auto_now_add=True, help_text=_("When the first unanswered question was asked.")
    )

    objects = WaitingQuerySet.as_manager()

    class Meta:
        verbose_name = _("question that waits")
        verbose_name_plural = _("questions that wait")
        default_permissions = ()
        ordering = ["since"]
        indexes = [models.Index(fields=["since"], name="question_since")]

    def __str__(self) -> str:
        return str(self.order_id)
