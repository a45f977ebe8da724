"""Decisions by two people: an unclear outcome of a transaction or delivery, or a remedy."""

from typing import cast

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.lifecycle import HasLifeCycle
from redemption.models.history import EventSubject, OrderEvent
from redemption.models.orders import OrderItem
from redemption.models.points import LoyaltyTransaction
from redemption.models.returns import LineReturn
from redemption.states import (
    ABOUT_A_DELIVERY,
    ABOUT_POINTS,
    ABOUT_UNITS,
    DECISION,
    REMEDIES,
    DecisionStatus,
    Verdict,
)

# Written-off points were credited for the line and are not taken again.
_WRITE_OFFS_WITHIN_CREDITS = """
    PERFORM 1 FROM redemption_order
        WHERE id = (SELECT order_id FROM order_item WHERE id = NEW.item_id) FOR NO KEY UPDATE;
    IF COALESCE((
            SELECT SUM(d.units) FROM redemption_decision d
            WHERE d.item_id = NEW.item_id AND d.id <> NEW.id
              AND d.verdict = 'WRITE_OFF' AND d.status = 'CONFIRMED'
        ), 0) + NEW.units > COALESCE((
            SELECT SUM(CASE t.transaction_type WHEN 'CREDIT' THEN t.points_amount
                                               ELSE -t.points_amount END) / i.points_per_item
            FROM order_item i JOIN loyalty_transaction t ON t.item_id = i.id
            WHERE i.id = NEW.item_id AND t.status <> 'REFUSED' GROUP BY i.points_per_item
        ), 0) - (SELECT quantity_credited FROM order_item WHERE id = NEW.item_id)
    THEN
        RAISE EXCEPTION 'write-offs of line % would exceed its credits', NEW.item_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'write_offs_within_credits';
    END IF;
    RETURN NEW;
"""

# What one person decides alone about an order's units is together within the limit that was known.
_ALONE_WITHIN_LIMIT = """
    PERFORM 1 FROM redemption_order
        WHERE id = (SELECT order_id FROM order_item WHERE id = NEW.item_id) FOR NO KEY UPDATE;
    IF NOT COALESCE((
            SELECT SUM(d.units::bigint * i.points_per_item)
            FROM redemption_decision d JOIN order_item i ON i.id = d.item_id
            WHERE i.order_id = (SELECT order_id FROM order_item WHERE id = NEW.item_id)
              AND d.id <> NEW.id AND d.status = 'CONFIRMED' AND d.decided_by_id IS NULL
              AND d.verdict IN ('CREDIT_UNITS', 'RETURNED')
        ), 0) + (
            SELECT NEW.units::bigint * points_per_item FROM order_item WHERE id = NEW.item_id
        ) <= NEW.alone_up_to
    THEN
        RAISE EXCEPTION 'one person alone would credit too much of the order of line %', NEW.item_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credited_alone_within_limit';
    END IF;
    RETURN NEW;
"""
# Who recorded a return decides nothing about its points, and no more units are credited than came.
_NOT_WHO_RECORDED_IT = """
    IF NOT EXISTS (
            SELECT 1 FROM redemption_linereturn r
            WHERE r.id = NEW.returned_id AND r.item_id = NEW.item_id AND NEW.units <= r.units
              AND r.recorded_by_id IS DISTINCT FROM NEW.proposed_by_id
              AND (r.recorded_by_id IS DISTINCT FROM NEW.decided_by_id OR r.recorded_by_id IS NULL)
        )
    THEN
        RAISE EXCEPTION 'return % is decided about by others, for its units', NEW.returned_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'return_decided_by_others';
    END IF;
    RETURN NEW;
"""


class Decision(HasLifeCycle):
    """A decision that one person proposes with evidence and another confirms or rejects.

    It is about either a transaction, the delivery of a line, or the points of some of its units. A
    remedy also stores what the partner had answered when it was proposed, and for how many units
    points move. About few points of units one person decides alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transaction = models.ForeignKey(
        LoyaltyTransaction, models.PROTECT, null=True, related_name="decisions"
    )
    item = models.ForeignKey(
        OrderItem, models.PROTECT, null=True, related_name="decisions", db_index=False
    )
    verdict = models.CharField(_("verdict"), max_length=12, choices=Verdict.choices)
    missing = models.PositiveIntegerField(
        _("missing"),
        default=0,
        db_default=0,
        help_text=_("For a partial delivery: units that were not delivered."),
    )
    external_transaction_id = models.CharField(_("partner's number"), max_length=100, blank=True)
    units = models.PositiveIntegerField(
        _("units"), null=True, blank=True, help_text=_("The number of units that it is about.")
    )
    returned = models.ForeignKey(
        LineReturn, models.PROTECT, null=True, blank=True, related_name="decisions"
    )
    alone_up_to = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text=_("If one person decided: the points up to which that was allowed."),
    )
    found = models.JSONField(
        null=True, blank=True, help_text=_("For a remedy: the partner's answer, without codes.")
    )
    agreed_by = models.CharField(
        _("agreed by"),
        max_length=200,
        blank=True,
        db_default="",
        help_text=_("Who agreed in the company."),
    )
    agreed_on = models.DateField(_("agreed on"), null=True, blank=True)
    evidence = models.TextField(_("evidence"), max_length=2000)
    status = models.CharField(
        _("status"),
        max_length=12,
        choices=DecisionStatus.choices,
        default=DecisionStatus.PROPOSED,
    )
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    remark = models.TextField(_("remark"), max_length=2000, blank=True)

    life_cycle = DECISION

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        ordering = ["proposed_at", "id"]
        constraints = [
            models.UniqueConstraint(
                "transaction", name="one_proposal_at_a_time", condition=Q(status="PROPOSED")
            ),
            models.UniqueConstraint(
                "item", name="one_proposal_a_delivery", condition=Q(status="PROPOSED")
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("proposed_by")),
                name="decided_by_two_people",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["CONFIRMED", "REJECTED"])
                | Q(decided_by__isnull=False, decided_at__isnull=False)
                | Q(
                    status="CONFIRMED",
                    verdict__in=ABOUT_UNITS,
                    decided_at__isnull=False,
                    alone_up_to__isnull=False,
                ),
                name="decided_by_somebody",
            ),
            models.UniqueConstraint(
                "returned", name="one_decision_a_return", condition=Q(status="CONFIRMED")
            ),
            models.CheckConstraint(
                condition=Q(verdict="CREDIT_UNITS", units__gt=0, returned__isnull=True)
                | Q(verdict="RETURNED", units__isnull=False, returned__isnull=False)
                | ~Q(verdict__in=ABOUT_UNITS) & Q(returned__isnull=True, alone_up_to__isnull=True),
                name="decision_names_its_units",
            ),
            models.CheckConstraint(
                condition=~Q(verdict="TOOK_PLACE") | ~Q(external_transaction_id=""),
                name="what_took_place_has_an_entry",
            ),
            models.CheckConstraint(condition=~Q(evidence=""), name="decision_has_evidence"),
            models.CheckConstraint(
                condition=Q(missing=0) | Q(verdict="DELIVERED"),
                name="missing_of_what_was_delivered",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=ABOUT_POINTS, transaction__isnull=False, item__isnull=True)
                | Q(
                    verdict__in=(*ABOUT_A_DELIVERY, *REMEDIES, *ABOUT_UNITS),
                    transaction__isnull=True,
                    item__isnull=False,
                ),
                name="decision_verdict_known",
            ),
            models.CheckConstraint(
                condition=~Q(verdict__in=REMEDIES) | Q(units__gt=0, found__isnull=False),
                name="remedy_has_the_partners_answer",
            ),
            models.CheckConstraint(
                condition=~Q(verdict="CORRECTION") | ~Q(agreed_by="") & Q(agreed_on__isnull=False),
                name="correction_is_agreed_to",
            ),
            models.CheckConstraint(
                condition=Q(status__in=DecisionStatus.values), name="decision_status_known"
            ),
        ]
        triggers = [
            *append_only(once=~pgtrigger.Q(old__status="PROPOSED")),
            pgtrigger.Trigger(
                name="write_offs_within_credits",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                condition=pgtrigger.Q(new__verdict="WRITE_OFF", new__status="CONFIRMED"),
                func=_WRITE_OFFS_WITHIN_CREDITS,
            ),
            pgtrigger.Trigger(
                name="credited_alone_within_limit",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                condition=pgtrigger.Q(
                    new__verdict__in=ABOUT_UNITS,
                    new__status="CONFIRMED",
                    new__units__gt=0,
                    new__decided_by__isnull=True,
                ),
                func=_ALONE_WITHIN_LIMIT,
            ),
            pgtrigger.Trigger(
                name="return_decided_by_others",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                condition=pgtrigger.Q(new__verdict="RETURNED"),
                func=_NOT_WHO_RECORDED_IT,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.told} ({self.get_status_display()})"

    @property
    def came(self) -> int:
        """The number of delivered units according to the verdict."""
        if self.item is None or self.verdict != Verdict.DELIVERED:
            return 0
        return self.item.quantity - self.missing

    @property
    def told(self) -> str:
        """The verdict in words."""
        if self.item and self.missing:
            part = {"came": self.came, "all": self.item.quantity}
            return gettext("The partner delivered %(came)s of %(all)s") % part
        told = str(self.get_verdict_display())
        if self.external_transaction_id:
            named = {"what": told, "number": self.external_transaction_id}
            return gettext("%(what)s, as %(number)s at the partner") % named
        if self.item and self.units is not None and self.verdict != Verdict.CODES:
            how_many = {"units": self.units, "all": self.item.quantity, "what": told}
            return gettext("%(what)s (%(units)s of %(all)s)") % how_many
        return told

    @property
    def is_remedy(self) -> bool:
        return self.verdict in REMEDIES

    @property
    def is_about_units(self) -> bool:
        return self.verdict in ABOUT_UNITS

    @property
    def points(self) -> int:
        """The points of its units, which move or stay with the company."""
        return (self.units or 0) * self.item.points_per_item if self.item else 0

    @property
    def answered(self) -> str:
        """What the partner answered when this remedy was proposed, in words."""
        told = gettext("Asked again, the partner says “%(status)s”; codes: %(units)s.")
        return told % cast("dict[str, object]", self.found)

    def event(
        self,
        before: str,  # noqa: ARG002 - the life cycle's signature
        after: str,  # noqa: ARG002
        *,
        by: Actor = SYSTEM,
        reason: str = "",
    ) -> OrderEvent:
        """Build the event for the order's history. Its statuses are those of the decision's
        subject.
        """
        about = cast("LoyaltyTransaction | OrderItem", self.transaction or self.item)
        return OrderEvent(
            order_id=about.order_id,
            transaction=self.transaction,
            item=self.item,
            subject=EventSubject.NOTE,
            by_id=by.user_id,
            reason=reason[:255],
        )
