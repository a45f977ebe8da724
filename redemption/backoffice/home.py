"""What orders, points, incidents and post add to the admin's first page and its menu."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty_portal.admin_site.home import (
    MOST,
    SHOWN,
    HomeCard,
    HomeLine,
    Part,
    WorkList,
    menu_count,
)
from loyalty_portal.admin_site.home import waiting_count as counted
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
from redemption.models import Decision, WaitingQuestion
from redemption.permissions import may_answer
from redemption.states import Severity


def second_look(request: HttpRequest) -> Iterator[Part]:
    """Proposals of others that the person may confirm or reject."""
    found = proposals_for(actor_of(request))
    if found is None:
        return
    shown = list(found.order_by("proposed_at", "id")[:SHOWN])
    number = len(shown) if len(shown) < SHOWN else found.order_by()[: MOST + 1].count()
    lines = [
        HomeLine(
            href=_page_of(each),
            name=str((each.transaction or each.item).order),  # type: ignore[union-attr]
            more=f"{each.told} · {each.proposed_by}",
            end=timesince(each.proposed_at, depth=1),
        )
        for each in shown
    ]
    yield WorkList(
        title=_("Waits for your second look"),
        lines=lines,
        empty=_("Nothing. What others propose and you may decide is listed here."),
        more=number - len(shown),
        href=reverse("admin:redemption_loyaltytransaction_unclear") + "?what=review",
        key="second-look",
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
    number, critical = _incident_counts(actor)
    there = reverse("admin:redemption_incident_work")
    says = ngettext("of them %(n)s is critical", "of them %(n)s are critical", critical)
    tone = "bad" if critical else "warn"
    yield HomeCard(
        _("Incidents"), _("Open"), number, says % {"n": critical}, there, "emergency_home", tone
    )
    worst = unresolved_incidents(actor)[:SHOWN]
    lines = [
        HomeLine(
            href=reverse("admin:redemption_incident_change", args=[each.pk]),
            name=severity_badge(each),
            more=retold(each.what),
            end=timesince(each.created_at, depth=1),
        )
        for each in worst
    ]
    yield WorkList(
        title=_("Incidents, worst first"),
        lines=lines,
        empty=_("None. Nothing went wrong."),
        more=number - len(lines),
        href=there,
    )


def _incident_counts(actor: Actor) -> tuple[int, int]:
    """How many are open, and how many of these are critical. Who sees no orders sees fewer."""
    rows, sees = unresolved_incidents(actor), actor.has_perm("redemption.view_redemptionorder")
    critical = rows.filter(severity=Severity.CRITICAL)
    return counted(f"incidents:{sees}", rows), counted(f"critical:{sees}", critical)


def orders(request: HttpRequest) -> Iterator[Part]:
    """Orders that need a person, the oldest first."""
    if not request.user.has_perm("redemption.view_redemptionorder"):
        return
    rows = needing_attention()
    number = counted("orders", rows)
    there = _there("redemption_redemptionorder", "?needs_attention__exact=1")
    says = ngettext("order needs a person", "orders need a person", number)
    yield HomeCard(_("Orders"), _("Attention"), number, says, there, "flag", "bad")
    lines = [
        HomeLine(
            href=reverse("admin:redemption_redemptionorder_change", args=[each.pk]),
            name=each.order_number,
            more=f"{each.company} · {retold(each.attention_reason)}",
            end=timesince(each.created_at, depth=1),
        )
        for each in rows.select_related("company").order_by("created_at")[:SHOWN]
    ]
    yield WorkList(
        title=_("Orders that need a person, oldest first"),
        lines=lines,
        empty=_("None. All orders continue by themselves."),
        more=number - len(lines),
        href=there,
    )


def questions(request: HttpRequest) -> Iterator[Part]:
    """Questions of companies that wait for an answer, the oldest first."""
    if not may_answer(actor_of(request)):
        return
    rows = WaitingQuestion.objects.all()
    number = counted("questions", rows)
    lines = [
        HomeLine(
            href=reverse("admin:redemption_redemptionorder_change", args=[each.pk]) + "#questions",
            name=each.order.order_number,
            more=f"{each.order.company} · {each.asked_by}",
            end=timesince(each.since, depth=1),
        )
        for each in rows.with_who().select_related("order__company").order_by("since")[:SHOWN]
    ]
    yield WorkList(
        title=_("Questions from companies, oldest first"),
        lines=lines,
        empty=_("None. Every question is answered."),
        more=number - len(lines),
        href=_there("redemption_redemptionorder", "?question=waits"),
    )


def points(request: HttpRequest) -> Iterator[Part]:
    """Calls about points without a clear answer."""
    if request.user.has_perm("redemption.view_loyaltytransaction"):
        yield HomeCard(
            job=_("Points"),
            title=_("Unclear or due"),
            number=counted("unclear", points_to_see_to({})),
            says=_("calls about points without a clear answer, or not made in time"),
            href=reverse("admin:redemption_loyaltytransaction_unclear"),
            icon="help",
            tone="warn",
        )
    if request.user.has_perm("redemption.decide_credit"):
        yield HomeCard(
            job=_("Points"),
            title=_("Came back"),
            number=counted("returns", undecided_returns()),
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
            number=counted("letters", troubled_letters()),
            says=_("could not be sent yet"),
            href=_there("redemption_letter", "?state=problem"),
            icon="unsubscribe",
            tone="warn",
        )
    if request.user.has_perm("redemption.view_callback"):
        yield HomeCard(
            job=_("Post"),
            title=_("Callbacks"),
            number=counted("callbacks", puzzling_callbacks()),
            says=_("from partners, not understood"),
            href=_there("redemption_callback", "?news=puzzling"),
            icon="webhook",
            tone="warn",
        )


def _there(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + query


# --- The menu's counts ---------------------------------------------------------------------------


def incidents_badge(request: HttpRequest) -> str:
    actor = actor_of(request)
    sees = actor.has_perm("redemption.view_redemptionorder")
    return menu_count(f"incidents:{sees}", unresolved_incidents(actor))


def orders_badge(request: HttpRequest) -> str:  # noqa: ARG001 - the theme's signature
    return menu_count("orders", needing_attention())


def unclear_badge(request: HttpRequest) -> str:  # noqa: ARG001
    return menu_count("unclear", points_to_see_to({}))


def letters_badge(request: HttpRequest) -> str:  # noqa: ARG001
    return menu_count("letters", troubled_letters())


def callbacks_badge(request: HttpRequest) -> str:  # noqa: ARG001
    return menu_count("callbacks", puzzling_callbacks())


def questions_badge(request: HttpRequest) -> str:  # noqa: ARG001
    return menu_count("questions", WaitingQuestion.objects.all())


def returns_badge(request: HttpRequest) -> str:
    if not request.user.has_perm("redemption.decide_credit"):
        return ""
    return menu_count("returns", undecided_returns())


def second_look_badge(request: HttpRequest) -> str:
    actor = actor_of(request)
    found = proposals_for(actor)
    return "" if found is None else menu_count(f"second:{actor.user_id}", found)
