"""The pages of lists of work: incidents, and points that are unclear or due."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from accounts.models import User
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.lifecycle import StaleStatusError
from loyalty_portal.data.texts.kept import retold
from redemption.backoffice.badges import incident_badge, severity_badge, transaction_badge
from redemption.backoffice.work.forms import SeveralForm, tomorrow_morning
from redemption.backoffice.work.selectors import (
    KINDS,
    PARTNERS,
    WHAT,
    WHEN,
    WHO,
    filters,
    incidents_to_do,
    page_of,
    points_to_see_to,
)
from redemption.incidents import worklist
from redemption.incidents.services import IncidentError
from redemption.models import Incident
from redemption.permissions import seen_incidents

_NAMED = (
    ("who", gettext_lazy("Whose"), WHO),
    ("when", gettext_lazy("When"), WHEN),
    ("partner", gettext_lazy("Partner"), PARTNERS),
    ("kind", gettext_lazy("Kind"), KINDS),
)


@require_http_methods(["GET", "HEAD", "POST"])
def incidents(request: HttpRequest) -> HttpResponse:
    """The list of incidents to do; a POST changes those that are ticked, and leads back (303)."""
    if not request.user.has_perm("redemption.view_incident"):
        raise RefusedError("redemption.view_incident")
    if request.method != "POST":
        return _incidents(request, SeveralForm(initial={"until": tomorrow_morning()}), set())
    if not request.user.has_perm(worklist.HANDLE):
        raise RefusedError(worklist.HANDLE)
    form = SeveralForm(request.POST)
    if not form.is_valid():
        for told in form.non_field_errors():
            messages.error(request, str(told))
        return _incidents(request, form, set(request.POST.getlist("incident")), status=422)
    done, refused = _change(form.cleaned_data, actor_of(request))
    if done:
        told = ngettext("%(n)s incident: done.", "%(n)s incidents: done.", done)
        messages.success(request, told % {"n": done})
    for told in refused:
        messages.error(request, told)
    return HttpResponseRedirect(f"{request.path}?{_kept(request.GET)}".rstrip("?"), status=303)


def _incidents(
    request: HttpRequest, form: SeveralForm, ticked: set[str], *, status: int = 200
) -> HttpResponse:
    page = page_of(
        incidents_to_do(actor_of(request), request.GET),
        request.GET,
        [name for name, *_more in _NAMED],
    )
    context = {
        "title": _("Incidents to do"),
        "filters": filters(request.GET, *_NAMED),
        "rows": [
            (each, severity_badge(each), incident_badge(each), str(each.pk) in ticked)
            for each in page.rows
        ],
        "page": page,
        "form": form,
        "may": request.user.has_perm(worklist.HANDLE),
        "kept": _kept(request.GET),
        "snoozed": request.GET.get("when") == "snoozed",
    }
    return _page(request, "admin/redemption/work/incidents.html", context, status=status)


def _kept(given: Mapping[str, str]) -> str:
    """The filters and the place in the list, for an address that leads back to them."""
    names = [*(name for name, *_more in _NAMED), "after"]
    return urlencode({name: given[name] for name in names if given.get(name)})


def _change(given: Mapping[str, Any], by: Actor) -> tuple[int, list[str]]:
    """Change each of the incidents in a transaction of its own. Returns how many were changed, and
    for each other a sentence.
    """
    chosen: dict[UUID, UUID | None] = given["chosen"]
    act = _acts(given, by)
    found = {each.pk: each for each in _those(by, list(chosen))}
    refused = [_("One of them is not there any more.") for key in chosen if key not in found]
    done = 0
    for key, incident in found.items():
        try:
            act(incident, chosen[key])
            done += 1
        except IncidentError as error:
            refused.append(f"{retold(incident.what)} {error}")
        except StaleStatusError:
            changed = _("Somebody else changed it just now.")
            refused.append(f"{retold(incident.what)} {changed}")
    return done, refused


def _those(by: Actor, keys: list[UUID]) -> list[Incident]:
    """Those of these incidents that the actor may see, over ones included."""
    rows = seen_incidents(by, Incident.objects.all())
    return list(rows.filter(pk__in=keys).order_by("created_at", "pk"))


def _acts(given: Mapping[str, Any], by: Actor) -> Callable[[Incident, UUID | None], None]:
    """The change of one incident, given who had it when the page was made."""
    do = given["do"]
    if do in {"mine", "assign"}:
        to: User = given["colleague"] if do == "assign" else User.objects.get(pk=by.person_id)
        return lambda incident, seen: worklist.assign(incident=incident, to=to, seen=seen, by=by)
    if do == "give_back":
        return lambda incident, seen: worklist.give_back(incident=incident, seen=seen, by=by)
    if do == "wake":
        return lambda incident, _seen: worklist.wake(incident=incident, by=by)
    return lambda incident, _seen: worklist.snooze(
        incident=incident, until=given["until"], why=given["why"], by=by
    )


def unclear_points(request: HttpRequest) -> HttpResponse:
    """The transactions that are unclear or due, the oldest first."""
    if not request.user.has_perm("redemption.view_loyaltytransaction"):
        raise RefusedError("redemption.view_loyaltytransaction")
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    page = page_of(points_to_see_to(request.GET), request.GET, ["what"])
    context = {
        "title": _("Points that are unclear or due"),
        "filters": filters(request.GET, ("what", _("What"), WHAT)),
        "rows": [(each, transaction_badge(each)) for each in page.rows],
        "page": page,
    }
    return _page(request, "admin/redemption/work/unclear.html", context)


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    shared = admin.site.each_context(request)
    return TemplateResponse(request, template, {**shared, **context}, status=status)
