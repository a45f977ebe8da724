"""Read-only admin pages of orders, letters and callbacks, which only services write."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from loyalty_portal.admin_site.base import ActingAdmin, ReadOnlyAdmin, badge, letter_alone
from loyalty_portal.admin_site.found import Branch
from loyalty_portal.admin_site.lists import KeyedDateFilter, at_once
from loyalty_portal.admin_site.verbs import Verb, actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import retold
from loyalty_portal.data.texts.numbers import grouped
from redemption.backoffice.admin_decisions import DeliveryAdmin, LoyaltyTransactionAdmin
from redemption.backoffice.admin_incidents import IncidentAdmin
from redemption.backoffice.admin_reconciliation import ReconciliationAdmin
from redemption.backoffice.admin_units import LineUnitsAdmin
from redemption.backoffice.admin_webhooks import WebhookEndpointAdmin
from redemption.backoffice.badges import order_badge
from redemption.backoffice.forms import (
    AnswerForm,
    CancelForm,
    LetterAgainForm,
    NoteForm,
    SettleForm,
)
from redemption.backoffice.order_record import lines_of, order_record
from redemption.backoffice.ordering.views import for_company, for_seat
from redemption.backoffice.search.lists import numbered, orders_found
from redemption.backoffice.selectors import PUZZLING, LineRecord
from redemption.messages.notifications import compose
from redemption.models import (
    Callback,
    CallbackState,
    Incident,
    Letter,
    LetterKind,
    LineUnits,
    LoyaltyTransaction,
    OrderItem,
    Reconciliation,
    RedemptionOrder,
    Sms,
    WaitingQuestion,
    WebhookEndpoint,
)
from redemption.orders.actions import cancelling, letters
from redemption.orders.actions import services as aftercare
from redemption.orders.actions.cancelling import Cancellation, cancellation
from redemption.orders.asking import letters as asking
from redemption.orders.asking.selectors import waiting_ask
from redemption.questions import services as questions
from redemption.saga.steps import RedemptionError

admin.site.register(LoyaltyTransaction, LoyaltyTransactionAdmin)
admin.site.register(OrderItem, DeliveryAdmin)
admin.site.register(LineUnits, LineUnitsAdmin)
admin.site.register(Incident, IncidentAdmin)
admin.site.register(Reconciliation, ReconciliationAdmin)
admin.site.register(WebhookEndpoint, WebhookEndpointAdmin)

_CALLBACKS = {
    CallbackState.RECEIVED: ("live", ""),
    CallbackState.PARKED: ("warn", "pause_circle"),
    CallbackState.PROCESSED: ("ok", ""),
    CallbackState.PUZZLING: ("bad", "help"),
}


def _retry(order: RedemptionOrder, data: dict[str, Any], by: Actor) -> str:
    number = aftercare.retry_now(order=order, by=by)
    told = ngettext("%(n)s open call is due now.", "%(n)s open calls are due now.", number)
    return told % {"n": number} if number else _("Nothing of this order waits to be tried again.")


def _cancel(order: RedemptionOrder, data: dict[str, Any], by: Actor) -> str:
    return cancelling.cancel(order=order, by=by, reason=data["reason"], shown=data["shown"])


def _unflag(order: RedemptionOrder, data: dict[str, Any], by: Actor) -> str:
    aftercare.unflag(order=order, by=by)
    return _("Marked as looked at.")


def _note(order: RedemptionOrder, data: dict[str, Any], by: Actor) -> str:
    aftercare.write_note(order=order, **data, by=by)
    return _("Noted.")


def _answer(order: RedemptionOrder, data: dict[str, Any], by: Actor) -> str:
    questions.answer(order=order, **data, by=by)
    return _("Answered. The company reads it on the order's page and by e-mail.")


def _settle(order: RedemptionOrder, data: dict[str, Any], by: Actor) -> str:
    questions.settle(order=order, **data, by=by)
    return _("It does not wait any more.")


def _letter_again(order: RedemptionOrder, data: dict[str, Any], by: Actor) -> str:
    letter = letters.send_again(order=order, letter_id=data["letter"], by=by)
    return _("It is sent once more, to %(to)s.") % {"to": letter.to}


def _lines(order: RedemptionOrder) -> list[LineRecord]:
    """Read an order's lines once per page, because the page and its forms use them."""
    kept = vars(order)
    if "lines" not in kept:
        kept["lines"] = lines_of(order)
    lines: list[LineRecord] = kept["lines"]
    return lines


def _offer(order: RedemptionOrder, lines: Iterable[LineRecord]) -> Cancellation:
    return cancellation(order, [(line.item, line.progress, line.calls) for line in lines])


def _questions_only(request: HttpRequest) -> bool:
    return request.GET.get(QuestionFilter.parameter_name) == "waits"


class QuestionFilter(admin.SimpleListFilter):
    """Filters orders whose company waits for an answer."""

    title = gettext_lazy("question")
    parameter_name = "question"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waits", _("Waits for an answer"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[RedemptionOrder]
    ) -> QuerySet[RedemptionOrder]:
        if self.value() != "waits":
            return queryset
        asked = WaitingQuestion.objects.with_who().filter(order=OuterRef("pk"))
        return queryset.filter(waiting_question__isnull=False).annotate(
            asked_since=F("waiting_question__since"),
            asked_by=Subquery(asked.values("asked_by")[:1]),
        )


@admin.register(RedemptionOrder)
class RedemptionOrderAdmin(ActingAdmin[RedemptionOrder]):
    """Orders. One page shows everything about an order; staff can retry or cancel."""

    list_display = [
        "order_number",
        "company",
        "who",
        "points",
        "status_shown",
        "attention",
        "created_at",
    ]
    list_select_related = ["company", "account_manager__user", "placed_by"]
    list_filter = ["needs_attention", QuestionFilter, "status", "created_at"]
    search_fields = ["order_number"]
    search_help_text = gettext_lazy("Order number, reference, company or e-mail")
    sortable_by = ["order_number", "created_at"]
    ordering = ["-created_at", "-id"]
    actions = ["retry_rows"]
    page_template = "admin/redemption/order.html"
    refusals = (RedemptionError,)
    verbs = {
        "retry": Verb(gettext_lazy("Retry now"), "redemption.retry_order", _retry),
        "unflag": Verb(gettext_lazy("I have looked at it"), "redemption.retry_order", _unflag),
        "cancel": Verb(
            gettext_lazy("Cancel the order"), "redemption.cancel_order", _cancel, CancelForm
        ),
        "note": Verb(gettext_lazy("Write the note"), "redemption.add_ordernote", _note, NoteForm),
        "answer": Verb(
            gettext_lazy("Send the answer"), "redemption.answer_question", _answer, AnswerForm
        ),
        "settle": Verb(
            gettext_lazy("No answer needed"), "redemption.answer_question", _settle, SettleForm
        ),
        "letter": Verb(
            gettext_lazy("Send again"),
            "redemption.send_letter_again",
            _letter_again,
            LetterAgainForm,
        ),
    }

    def get_urls(self) -> list[URLPattern]:
        """Add the pages on which staff order for a company that asked."""
        guard = self.admin_site.admin_view
        chosen = path("for-seat/<uuid:seat_id>/", guard(for_seat), name="redemption_order_for_seat")
        choose = path("for-company/", guard(for_company), name="redemption_order_for_company")
        return [choose, chosen, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RedemptionOrder]:
        people = ("company", "account_manager__user", "placed_by")
        return super().get_queryset(request).select_related(*people)

    def get_list_display(self, request: HttpRequest) -> Any:
        """The list of questions says who waits, and for how long."""
        return [*self.list_display, *(["asked"] if _questions_only(request) else [])]

    def get_ordering(self, request: HttpRequest) -> Any:
        """Whoever waits longest comes first in the list of questions."""
        return ["waiting_question__since"] if _questions_only(request) else self.ordering

    def found_by(self, term: str) -> Sequence[Branch]:
        return orders_found(term)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("redemption.retry_order")

    def first_values(self, row: RedemptionOrder) -> dict[str, object]:
        newest = row.messages.order_by("-at", "-id").values_list("pk", flat=True).first()
        return {"shown": _offer(row, _lines(row)).shown, "seen": newest}

    def facts(self, request: HttpRequest, row: RedemptionOrder) -> dict[str, object]:
        lines = _lines(row)
        record = order_record(
            row,
            lines,
            actor_of(request),
            in_full="all" in request.GET,
            only=request.GET.get("lines", ""),
        )
        return {
            "order": row,
            "state": order_badge(row),
            "record": record,
            "cancellation": _offer(row, lines),
            "cases": record.cases,
        }

    @admin.action(description=gettext_lazy("Retry now"), permissions=["retry"])
    def retry_rows(self, request: HttpRequest, queryset: QuerySet[RedemptionOrder]) -> None:
        by, chosen = actor_of(request), at_once(request, queryset)
        if not chosen:
            return
        number = sum([aftercare.retry_now(order=order, by=by) for order in chosen])
        told = ngettext("%(n)s open call is due now.", "%(n)s open calls are due now.", number)
        self.message_user(request, told % {"n": number}, messages.SUCCESS)

    @admin.display(description=gettext_lazy("placed by"))
    def who(self, order: RedemptionOrder) -> str:
        if order.placed_by_id is None:
            return str(order.account_manager.user)
        told = _("%(who)s (placed by %(staff)s)")
        return told % {"who": order.account_manager.user, "staff": order.placed_by}

    @admin.display(description=gettext_lazy("waits for an answer"))
    def asked(self, order: Any) -> str:
        told = _("%(who)s, for %(since)s")
        return told % {"who": order.asked_by, "since": timesince(order.asked_since, depth=1)}

    @admin.display(description=gettext_lazy("points"))
    def points(self, order: RedemptionOrder) -> SafeString:
        return format_html('<span class="figure">{}</span>', grouped(order.total_points))

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, order: RedemptionOrder) -> SafeString:
        return order_badge(order)

    @admin.display(description=gettext_lazy("attention"))
    def attention(self, order: RedemptionOrder) -> SafeString | str:
        if not order.needs_attention:
            return ""
        why = retold(order.attention_reason)
        return badge("bad", why, icon="flag", title=why)


class LetterFilter(admin.SimpleListFilter):
    """Filters letters by whether they were sent."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("problem", _("With a problem")), ("waiting", _("Waiting")), ("sent", _("Sent"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Letter]) -> QuerySet[Letter]:
        if self.value() == "problem":
            return queryset.filter(sent_at__isnull=True).exclude(problem="")
        if self.value() in {"waiting", "sent"}:
            return queryset.filter(sent_at__isnull=self.value() == "waiting")
        return queryset


@admin.register(Letter)
class LetterAdmin(ReadOnlyAdmin[Letter]):
    """Letters: what was sent to whom, and whether it was sent."""

    list_display = ["created_at", "kind", "to", "order_number", "state", "attempts"]
    list_select_related = ["order"]
    list_filter = [LetterFilter, "kind", ("created_at", KeyedDateFilter)]
    search_fields = ["to"]
    search_help_text = gettext_lazy("Order number or e-mail")
    ordering = ["-id"]  # the time is in the key, which has an index
    fields = [
        ("kind", "to"), ("order", "item"), "key", ("created_at", "sent_at"),
        ("attempts", "next_attempt_at"), "problem", "text_message_too",
    ]  # fmt: skip
    readonly_fields = ["text_message_too"]

    def get_urls(self) -> list[URLPattern]:
        look = self.admin_site.admin_view(self.preview_view)
        address = path("<uuid:object_id>/preview/", look, name="redemption_letter_preview")
        asked = self.admin_site.admin_view(self.asked_view)
        ask = path("asked/<uuid:ask_id>/", asked, name="redemption_ask_preview")
        return [address, ask, *super().get_urls()]

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = Letter.objects.order_by()
        return [rows.filter(to__istartswith=term), rows.filter(order__in=numbered(term))]

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a letter as it would be sent now."""
        letter = self.found(request, object_id)
        if letter.kind not in LetterKind.values or letter.is_gathering:
            raise Http404
        return letter_alone(compose(letter))

    def asked_view(self, request: HttpRequest, ask_id: Any) -> HttpResponse:
        """Show the letter to a recipient as it would be sent now, but for its link's secret."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if (ask := waiting_ask(ask_id)) is None:
            raise Http404
        return letter_alone(asking.compose(ask))

    @admin.display(description=gettext_lazy("order"))
    def order_number(self, letter: Letter) -> str:
        return letter.order.order_number

    @admin.display(description=gettext_lazy("state"))
    def state(self, letter: Letter) -> SafeString:
        if letter.sent_at:
            return badge("ok", _("Sent"))
        return _not_sent(letter.problem)

    @admin.display(description=gettext_lazy("text message"))
    def text_message_too(self, letter: Letter) -> SafeString | str:
        """What became of the text message that goes with it."""
        text = Sms.objects.filter(letter=letter).first()
        if text is None:
            return _("none")
        return badge("ok", _("Sent")) if text.sent_at else _not_sent(text.problem)


def _not_sent(problem: str) -> SafeString:
    if problem:
        return badge("bad", problem, icon="unsubscribe", title=problem)
    return badge("live", _("Waiting"), icon="schedule_send")


class CallbackFilter(admin.SimpleListFilter):
    """Filters callbacks for those that somebody should look at."""

    title = gettext_lazy("news")
    parameter_name = "news"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("puzzling", _("Parked or not understood"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state__in=PUZZLING) if self.value() == "puzzling" else queryset


@admin.register(Callback)
class CallbackAdmin(ReadOnlyAdmin[Callback]):
    """Callbacks: verified webhooks. Their bodies are never shown, because they contain codes."""

    list_display = ["received_at", "event_type", "reference", "state_shown", "problem", "attempts"]
    list_filter = [CallbackFilter, "state", ("received_at", KeyedDateFilter)]
    search_fields = ["webhook_id"]
    search_help_text = gettext_lazy("Webhook id or reference")
    ordering = ["-id"]  # the time is in the key, which has an index
    fields = [
        "webhook_id", ("event_type", "reference"), ("state", "problem"),
        ("received_at", "processed_at"), ("attempts", "next_attempt_at"),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Callback]:
        return super().get_queryset(request).defer("body")

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = Callback.objects.order_by()
        return [rows.filter(webhook_id__startswith=term), rows.filter(reference__startswith=term)]

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, callback: Callback) -> SafeString:
        tone, icon = _CALLBACKS[CallbackState(callback.state)]
        return badge(tone, callback.get_state_display(), icon=icon)
