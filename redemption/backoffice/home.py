"""What orders, points, incidents and post add to the admin's first page and its menu."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty_portal.admin_site.counts import Waiting, menu_badge, waiting_counts
from loyalty_portal.admin_site.home import (
    SHOWN,
    HomeCard,
    HomeLine,
    Part,
    WorkList,
)
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import retold
from redemption.backoffice.badges import severity_badge
from redemption.backoffice.selectors import (
    needing_attention,
    proposals_for,
    puzzling_callbacks,
    troubled_letters,
    undecided_returns,
    unresolved_incidents,
)
from redemption.backoffice.work.selectors import points_to_see_to
from redemption.models import Decision, Incident, RedemptionOrder, WaitingQuestion
from redemption.permissions import may_answer
from redemption.states import Severity


def second_look(request: HttpRequest) -> Iterator[Part]:
    """Proposals of others that the person may confirm or reject."""
    found = proposals_for(actor_of(request))
    if found is None:
        return
    number = waiting_counts(request)["second look"]
    yield WorkList(
        title=_("Waits for your second look"),
        rows=found.order_by("proposed_at", "id")[:SHOWN],
        lines=lambda rows: [_proposal(each) for each in rows],
        empty=_("Nothing. What others propose and you may decide is listed here."),
        number=number,
        href=reverse("admin:redemption_loyaltytransaction_unclear") + "?what=review",
        key="second-look",
    )


def _proposal(decision: Decision) -> HomeLine:
    return HomeLine(
        href=_page_of(decision),
        name=str((decision.transaction or decision.item).order),  # type: ignore[union-attr]
        more=f"{decision.told} · {decision.proposed_by}",
        end=timesince(decision.proposed_at, depth=1),
    )


def _page_of(decision: Decision) -> str:
    if decision.transaction_id:
        return reverse("admin:redemption_loyaltytransaction_change", args=[decision.transaction_id])
    page = "lineunits" if decision.is_about_units else "orderitem"
    return reverse(f"admin:redemption_{page}_change", args=[decision.item_id])


def incidents(request: HttpRequest) -> Iterator[Part]:
    """Open incidents that the person may see, the worst first."""
    if not request.user.has_perm("redemption.view_incident"):
        return
    actor = actor_of(request)
    waits = waiting_counts(request)
    number, critical = waits["incidents"], waits["critical incidents"]
    there = reverse("admin:redemption_incident_work")
    says = ngettext("of them %(n)s is critical", "of them %(n)s are critical", critical)
    tone = "bad" if critical else "warn"
    yield HomeCard(
        _("Incidents"), _("Open"), number, says % {"n": critical}, there, "emergency_home", tone
    )
    yield WorkList(
        title=_("Incidents, worst first"),
        rows=unresolved_incidents(actor)[:SHOWN],
        lines=lambda rows: [_incident(each) for each in rows],
        empty=_("None. Nothing went wrong."),
        number=number,
        href=there,
    )


def _incident(incident: Incident) -> HomeLine:
    return HomeLine(
        href=reverse("admin:redemption_incident_change", args=[incident.pk]),
        name=severity_badge(incident),
        more=retold(incident.what),
        end=timesince(incident.created_at, depth=1),
    )


def orders(request: HttpRequest) -> Iterator[Part]:
    """Orders that need a person, the oldest first."""
    if not request.user.has_perm("redemption.view_redemptionorder"):
        return
    number = waiting_counts(request)["orders"]
    there = _there("redemption_redemptionorder", "?needs_attention__exact=1")
    says = ngettext("order needs a person", "orders need a person", number)
    yield HomeCard(_("Orders"), _("Attention"), number, says, there, "flag", "bad")
    oldest = needing_attention().select_related("company").order_by("created_at")
    yield WorkList(
        title=_("Orders that need a person, oldest first"),
        rows=oldest[:SHOWN],
        lines=lambda rows: [_order(each) for each in rows],
        empty=_("None. All orders continue by themselves."),
        number=number,
        href=there,
    )


def _order(order: RedemptionOrder) -> HomeLine:
    return HomeLine(
        href=reverse("admin:redemption_redemptionorder_change", args=[order.pk]),
        name=order.order_number,
        more=f"{order.company} · {retold(order.attention_reason)}",
        end=timesince(order.created_at, depth=1),
    )


def questions(request: HttpRequest) -> Iterator[Part]:
    """Questions of companies that wait for an answer, the oldest first."""
    if not may_answer(actor_of(request)):
        return
    number = waiting_counts(request)["questions"]
    oldest = WaitingQuestion.objects.with_who().select_related("order__company").order_by("since")
    yield WorkList(
        title=_("Questions from companies, oldest first"),
        rows=oldest[:SHOWN],
        lines=lambda rows: [_question(each) for each in rows],
        empty=_("None. Every question is answered."),
        number=number,
        href=_there("redemption_redemptionorder", "?question=waits"),
    )


def _question(question: Any) -> HomeLine:
    """`question` is a WaitingQuestion with who asked it."""
    return HomeLine(
        href=reverse("admin:redemption_redemptionorder_change", args=[question.pk]) + "#questions",
        name=question.order.order_number,
        more=f"{question.order.company} · {question.asked_by}",
        end=timesince(question.since, depth=1),
    )


def points(request: HttpRequest) -> Iterator[Part]:
    """Calls about points without a clear answer."""
    if request.user.has_perm("redemption.view_loyaltytransaction"):
        yield HomeCard(
            job=_("Points"),
            title=_("Unclear or due"),
            number=waiting_counts(request)["unclear points"],
            says=_("calls about points without a clear answer, or not made in time"),
            href=reverse("admin:redemption_loyaltytransaction_unclear"),
            icon="help",
            tone="warn",
        )
    if request.user.has_perm("redemption.decide_credit"):
        yield HomeCard(
            job=_("Points"),
            title=_("Came back"),
            number=waiting_counts(request)["returns"],
            says=_("returns whose points nobody decided about"),
            href=_there("redemption_lineunits", "?waits=due"),
            icon="assignment_return",
            tone="warn",
        )


def post(request: HttpRequest) -> Iterator[Part]:
    """Letters that could not be sent, and callbacks that nobody understands."""
    if request.user.has_perm("redemption.view_letter"):
        yield HomeCard(
            job=_("Post"),
            title=_("Letters"),
            number=waiting_counts(request)["letters"],
            says=_("could not be sent yet"),
            href=_there("redemption_letter", "?state=problem"),
            icon="unsubscribe",
            tone="warn",
        )
    if request.user.has_perm("redemption.view_callback"):
        yield HomeCard(
            job=_("Post"),
            title=_("Callbacks"),
            number=waiting_counts(request)["callbacks"],
            says=_("from partners, not understood"),
            href=_there("redemption_callback", "?news=puzzling"),
            icon="webhook",
            tone="warn",
        )


def _there(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + query


# --- What waits ----------------------------------------------------------------------------------


def waiting(actor: Actor) -> Iterator[Waiting]:
    """What waits of orders, points, incidents and post, as far as the person may see it."""
    proposals = proposals_for(actor)
    if proposals is not None:
        yield Waiting("second look", proposals, str(actor.user_id))
    if may_answer(actor):
        yield Waiting("questions", WaitingQuestion.objects.all())
    if actor.has_perm("redemption.view_incident"):
        # Who sees no orders sees fewer incidents.
        seen_by = str(actor.has_perm("redemption.view_redemptionorder"))
        found = unresolved_incidents(actor)
        yield Waiting("incidents", found, seen_by)
        yield Waiting("critical incidents", found.filter(severity=Severity.CRITICAL), seen_by)
    if actor.has_perm("redemption.view_redemptionorder"):
        yield Waiting("orders", needing_attention())
    if actor.has_perm("redemption.view_loyaltytransaction"):
        yield Waiting("unclear points", points_to_see_to({}))
    if actor.has_perm("redemption.decide_credit"):
        yield Waiting("returns", undecided_returns())
    if actor.has_perm("redemption.view_letter"):
        yield Waiting("letters", troubled_letters())
    if actor.has_perm("redemption.view_callback"):
        yield Waiting("callbacks", puzzling_callbacks())


second_look_badge = menu_badge("second look")
questions_badge = menu_badge("questions")
incidents_badge = menu_badge("incidents")
orders_badge = menu_badge("orders")
unclear_badge = menu_badge("unclear points")
returns_badge = menu_badge("returns")
letters_badge = menu_badge("letters")
callbacks_badge = menu_badge("callbacks")
