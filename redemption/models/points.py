"""Loyalty transactions: each is the intent before the call and holds the outcome after it."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Company
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import due_index
from loyalty_portal.partners.calls import KeyedCall, KeyedCallQuerySet, KeyTerms
from redemption.models.history import EventSubject, OrderEvent
from redemption.models.orders import OrderItem, RedemptionOrder
from redemption.states import TRANSACTION, Doubt, TransactionStatus

# Stored in place of an answer while a credit waits, because its debit's number is uncertain.
HELD_BACK = "held_back"
# Stored in place of an answer once the statement was read for the number that a credit names.
NUMBER_CHECKED = "number_checked"


# The rows that somebody may have to look at: without an outcome, or with a number in doubt. Whoever
# asks for them says it in these words, so that the index of them serves.
UNCLEAR_OR_OPEN = Q(status__in=["INTENDED", "SENT", "UNKNOWN", "NEEDS_REVIEW"]) | ~Q(doubt="")


class TransactionType(models.TextChoices):
    """DEBIT takes points from the company, CREDIT gives them back, and CORRECTION takes again what
    was given back wrongly.
    """

    DEBIT = "DEBIT", _("Taken")
    CREDIT = "CREDIT", _("Given back")
    CORRECTION = "CORRECTION", _("Taken again")


# A credit names what took its points: the succeeded debit of its order, or a succeeded correction
# of its line. The credits of one debit or correction cannot exceed it, as at the partner. One that
# names its line is for whole units of it, and no unit is credited twice. Locking the order's row
# makes concurrent credits see each other.
_CREDITS_WITHIN_DEBIT = """
    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;
    IF NEW.points_amount + COALESCE((
            SELECT SUM(points_amount) FROM loyalty_transaction
            WHERE original_id = NEW.original_id AND transaction_type = 'CREDIT'
        ), 0) > COALESCE((
            SELECT points_amount FROM loyalty_transaction
            WHERE order_id = NEW.order_id AND id = NEW.original_id AND status = 'SUCCEEDED'
              AND (transaction_type = 'DEBIT'
                   OR transaction_type = 'CORRECTION' AND item_id = NEW.item_id)
        ), 0)
    THEN
        RAISE EXCEPTION 'credits of order % would exceed its debit', NEW.order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credits_within_debit';
    END IF;
    IF NEW.item_id IS NOT NULL AND (
            SELECT NEW.points_amount + COALESCE(SUM(
                CASE t.transaction_type WHEN 'CREDIT' THEN t.points_amount
                                        ELSE -t.points_amount END
            ), 0) > i.quantity::bigint * i.points_per_item
                OR NEW.points_amount <> COALESCE(
                    NEW.units::bigint * i.points_per_item, NEW.points_amount)
            FROM order_item i LEFT JOIN loyalty_transaction t ON t.item_id = i.id
                AND (t.transaction_type = 'CREDIT'
                     OR t.transaction_type = 'CORRECTION' AND t.status = 'SUCCEEDED')
            WHERE i.id = NEW.item_id GROUP BY i.quantity, i.points_per_item)
    THEN
        RAISE EXCEPTION 'a credit of line % is not for units that it has', NEW.item_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credits_within_line';
    END IF;
    RETURN NEW;
"""


# A correction needs a confirmed decision about the line. Together with written-off points it cannot
# exceed the line's credits for what was not supplied.
_CORRECTIONS_WITHIN_CREDITS = """
    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;
    IF NOT EXISTS (
            SELECT 1 FROM redemption_decision
            WHERE id = NEW.decision_id AND item_id = NEW.item_id
              AND verdict = 'CORRECTION' AND status = 'CONFIRMED'
        ) OR NEW.points_amount + COALESCE((
            SELECT SUM(points_amount) FROM loyalty_transaction
            WHERE item_id = NEW.item_id AND transaction_type = 'CORRECTION'
              AND status <> 'REFUSED'
        ), 0) + COALESCE((
            SELECT SUM(d.units * i.points_per_item)
            FROM redemption_decision d JOIN order_item i ON i.id = d.item_id
            WHERE i.id = NEW.item_id AND d.verdict = 'WRITE_OFF' AND d.status = 'CONFIRMED'
        ), 0) > COALESCE((
            SELECT SUM(points_amount) FROM loyalty_transaction
            WHERE item_id = NEW.item_id AND transaction_type = 'CREDIT' AND status = 'SUCCEEDED'
        ), 0) - (
            SELECT quantity_credited * points_per_item FROM order_item WHERE id = NEW.item_id
        )
    THEN
        RAISE EXCEPTION 'corrections of line % would exceed its credits', NEW.item_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'corrections_within_credits';
    END IF;
    RETURN NEW;
"""


@tracked(
    leave_out=[
        *("body", "attempts", "raised", "next_attempt_at", "lease_until", "lease_token"),
        *("doubt", "disputed_id", "request_id", "traceparent"),
    ],
    told_by_events=True,
)
class LoyaltyTransaction(KeyedCall):
    """One debit, credit or correction: the intent before the call, and the outcome after it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(RedemptionOrder, models.PROTECT, related_name="transactions")
    # Needs no index: transaction_by_company is used.
    company = models.ForeignKey(
        Company, models.PROTECT, related_name="transactions", db_index=False
    )
    item = models.ForeignKey(
        OrderItem, models.PROTECT, null=True, blank=True, related_name="credits"
    )
    original = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="credits", editable=False
    )
    decision = models.OneToOneField(
        "redemption.Decision",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="correction",
        editable=False,
    )
    points_amount = models.PositiveIntegerField(_("points"))
    units = models.PositiveIntegerField(
        _("units"),
        null=True,
        blank=True,
        help_text=_("For how many units a credit or correction is. Empty: of a version before."),
    )
    transaction_type = models.CharField(_("kind"), max_length=20, choices=TransactionType.choices)
    key = models.CharField(max_length=255, unique=True, editable=False)
    body = models.TextField(
        editable=False, help_text=_("The body of the request, the same for every try.")
    )
    external_transaction_id = models.CharField(_("partner's number"), max_length=100, blank=True)
    doubt = models.CharField(
        max_length=8,
        choices=Doubt.choices,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("The partner gave the same number to another transaction too."),
    )
    disputed_id = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("The number that the partner gave it although another had it."),
    )
    status = models.CharField(
        _("status"),
        max_length=50,
        choices=TransactionStatus.choices,
        default=TransactionStatus.INTENDED,
    )
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = KeyedCallQuerySet["LoyaltyTransaction"].as_manager()
    life_cycle = TRANSACTION
    key_terms = KeyTerms("LOYALTY_API_KEY_RETENTION", honoured="LOYALTY_API_IDEMPOTENT")

    class Meta:
        db_table = "loyalty_transaction"
        verbose_name = _("loyalty transaction")
        verbose_name_plural = _("loyalty transactions")
        permissions = [
            ("decide_transaction", "Can propose, and for others confirm, what became of one")
        ]
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(points_amount__gt=0), name="transaction_moves_points"
            ),
            models.CheckConstraint(
                condition=Q(status__in=TransactionStatus.values), name="transaction_status_known"
            ),
            models.CheckConstraint(
                condition=Q(units=None) | Q(units__gt=0) & ~Q(transaction_type="DEBIT"),
                name="credit_is_for_units",
            ),
            models.CheckConstraint(
                condition=Q(transaction_type="DEBIT", original__isnull=True, decision__isnull=True)
                | Q(transaction_type="CREDIT", original__isnull=False, decision__isnull=True)
                | Q(
                    transaction_type="CORRECTION",
                    original__isnull=True,
                    decision__isnull=False,
                    item__isnull=False,
                ),
                name="credit_names_its_debit",
            ),
            models.CheckConstraint(
                # When two people decide that a number belongs to another transaction, this one has
                # none until the partner gives its own.
                condition=~Q(status="SUCCEEDED") | ~Q(external_transaction_id="") | ~Q(doubt=""),
                name="success_names_the_partners_entry",
            ),
            models.UniqueConstraint(
                "order", name="one_debit_an_order", condition=Q(transaction_type="DEBIT")
            ),
            models.UniqueConstraint(
                "external_transaction_id",
                name="partners_entry_once",
                condition=~Q(external_transaction_id=""),
            ),
        ]
        indexes = [
            due_index("transaction_due"),
            models.Index(fields=["company", "-created_at"], name="transaction_by_company"),
            # The points statement: its rows, and its sums without a look at the table.
            models.Index(
                fields=["company", "settled_at", "id"],
                include=["points_amount", "transaction_type"],
                name="transaction_statement",
                condition=Q(status="SUCCEEDED"),
            ),
            models.Index(
                fields=["-created_at"],
                name="transaction_unclear",
                condition=Q(status__in=["UNKNOWN", "NEEDS_REVIEW"]),
            ),
            models.Index(
                fields=["disputed_id"], name="transaction_disputed", condition=~Q(disputed_id="")
            ),
            models.Index(
                fields=["created_at", "id"], name="transaction_open", condition=UNCLEAR_OR_OPEN
            ),
            models.Index(fields=["-id"], name="transaction_refused", condition=Q(status="REFUSED")),
            models.Index(
                fields=["transaction_type", "-id"],
                name="transaction_no_debit",
                condition=~Q(transaction_type="DEBIT"),
            ),
            models.Index(
                fields=["company"],
                name="transaction_unsettled",
                condition=Q(
                    transaction_type__in=["DEBIT", "CORRECTION"],
                    status__in=["INTENDED", "SENT", "UNKNOWN", "NEEDS_REVIEW"],
                ),
            ),
            models.Index(
                fields=["company"],
                name="credit_unsettled",
                condition=Q(
                    transaction_type="CREDIT",
                    status__in=["INTENDED", "SENT", "UNKNOWN", "NEEDS_REVIEW"],
                ),
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="credits_within_debit",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__transaction_type="CREDIT"),
                func=_CREDITS_WITHIN_DEBIT,
            ),
            pgtrigger.Trigger(
                name="corrections_within_credits",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__transaction_type="CORRECTION"),
                func=_CORRECTIONS_WITHIN_CREDITS,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_transaction_type_display()} {self.points_amount}"

    @property
    def is_debit(self) -> bool:
        """Whether it takes points: a debit or a correction."""
        return self.transaction_type != TransactionType.CREDIT

    @property
    def is_correction(self) -> bool:
        return self.transaction_type == TransactionType.CORRECTION

    @property
    def longest_wait(self) -> float:
        return 300.0 if self.transaction_type == TransactionType.DEBIT else 3600.0

    @property
    def is_undecided(self) -> bool:
        """Whether people must decide: about the outcome or, after a success, about the number."""
        if self.doubt and self.status == TransactionStatus.SUCCEEDED:
            return self.next_attempt_at is None
        return self.status == TransactionStatus.NEEDS_REVIEW

    @property
    def signed_points(self) -> int:
        """The change of the company's account: negative for taken points."""
        return -self.points_amount if self.is_debit else self.points_amount

    def event(self, before: str, after: str, *, by: Actor = SYSTEM, reason: str = "") -> OrderEvent:
        return OrderEvent(
            order_id=self.order_id,
            transaction=self,
            subject=EventSubject.TRANSACTION,
            from_status=before,
            to_status=after,
            by_id=by.user_id,
            reason=reason[:255],
        )
