"""Loyalty transactions, and the page on which two people decide unclear ones."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty_portal.admin_site.base import ActingAdmin
from loyalty_portal.admin_site.verbs import Verb, actor_of
from loyalty_portal.data.actor import Actor
from redemption.backoffice.badges import transaction_badge
from redemption.backoffice.forms import ConfirmForm, ProposeForm, RejectProposalForm
from redemption.backoffice.selectors import UNCLEAR, decided, proposal_of, recorded_event
from redemption.models import LoyaltyTransaction
from redemption.orders.actions import transaction_decisions
from redemption.saga.steps import RedemptionError
from redemption.states import Verdict

_MAY = "redemption.decide_transaction"


def _propose(transaction: LoyaltyTransaction, data: dict[str, Any], by: Actor) -> str:
    transaction_decisions.propose(
        intent=transaction,
        verdict=Verdict(data["verdict"]),
        entry=data["entry"],
        evidence=data["evidence"],
        by=by,
    )
    return _("Proposed. It counts once a second person confirms it.")


def _confirm(transaction: LoyaltyTransaction, data: dict[str, Any], by: Actor) -> str:
    return transaction_decisions.confirm(intent=transaction, proposal=data["proposal"], by=by)


def _reject(transaction: LoyaltyTransaction, data: dict[str, Any], by: Actor) -> str:
    transaction_decisions.reject(
        intent=transaction, proposal=data["proposal"], reason=data["reason"], by=by
    )
    return _("Rejected. Something else may be proposed.")


class OutcomeFilter(admin.SimpleListFilter):
    """Filters transactions whose outcome is unknown."""

    title = gettext_lazy("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unclear", _("Not clear yet"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status__in=UNCLEAR) if self.value() == "unclear" else queryset


class LoyaltyTransactionAdmin(ActingAdmin[LoyaltyTransaction]):
    """The ledger: every debit and credit with its outcome at the partner."""

    list_display = [
        "created_at", "order_number", "company", "points", "status_shown", "answer",
        "external_transaction_id",
    ]  # fmt: skip
    list_select_related = ["order", "company"]
    list_filter = [OutcomeFilter, "status", "transaction_type", "created_at"]
    search_fields = ["order__order_number", "external_transaction_id", "key", "company__name"]
    search_help_text = gettext_lazy("Order number, the partner's id, key or company")
    ordering = ["-created_at", "-id"]
    page_template = "admin/redemption/transaction.html"
    refusals = (RedemptionError,)
    verbs = {
        "propose": Verb(gettext_lazy("Propose this"), _MAY, _propose, ProposeForm),
        "confirm": Verb(gettext_lazy("Confirm: it is so"), _MAY, _confirm, ConfirmForm),
        "reject": Verb(gettext_lazy("Reject it"), _MAY, _reject, RejectProposalForm),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[LoyaltyTransaction]:
        rows = super().get_queryset(request)
        return rows.select_related("order", "company", "item", "original")

    def first_values(self, row: LoyaltyTransaction) -> dict[str, object]:
        return {"proposal": proposal_of(row)}

    def facts(self, request: HttpRequest, row: LoyaltyTransaction) -> dict[str, object]:
        return {
            "transaction": row,
            "state": transaction_badge(row),
            **decided(row, actor_of(request)),
            "undecided": row.is_undecided,
            "cases": row.incident_cases.select_related("incident"),
            "steps": [
                recorded_event(event) for event in row.events.select_related("by", "transaction")
            ],
        }

    @admin.display(description=gettext_lazy("order"), ordering="order__order_number")
    def order_number(self, transaction: LoyaltyTransaction) -> str:
        return transaction.order.order_number

    @admin.display(description=gettext_lazy("points"), ordering="points_amount")
    def points(self, transaction: LoyaltyTransaction) -> SafeString:
        signed = f"{transaction.signed_points:+,}".replace("-", "−")
        return format_html('<span class="figure">{}</span>', signed)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def status_shown(self, transaction: LoyaltyTransaction) -> SafeString:
        return transaction_badge(transaction)

    @admin.display(description=gettext_lazy("answer"), ordering="answer_code")
    def answer(self, transaction: LoyaltyTransaction) -> str:
        parts = (transaction.answer_status, transaction.answer_code)
        return " ".join(str(part) for part in parts if part) or "–"
