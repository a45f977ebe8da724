"""The desk as a page of its own: the queue, and beside it one parcel.

Each action is a plain form that redirects. With HTMX the same answers replace a part of the page.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fulfillment.desk import services
from fulfillment.desk.badges import promise_badge, status_badge, told
from fulfillment.desk.forms import BatchForm, ChosenForm, PackForm
from fulfillment.desk.frame import address, check_may_look, must, refused, which_shown
from fulfillment.desk.papers import packing_slips, pick_list
from fulfillment.desk.scanning import Scanned, scan
from fulfillment.desk.selectors import (
    AGES,
    SHOWN,
    ParcelShown,
    open_parcels,
    parcel_shown,
    queue_page,
    state_of,
    usual_carrier,
)
from fulfillment.desk.services import Packing
from fulfillment.desk.verbs import VERBS, DeskVerb
from fulfillment.permissions import WORK, has_claimed, may_do, may_work_on
from fulfillment.services import DeskError
from loyalty_portal.admin_site.verbs import Act, actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.lifecycle import IllegalTransitionError, StaleStatusError

CARRIERS = ("DHL", "UPS", "FedEx", "USPS", "DPD", "GLS", "Hermes", "Royal Mail")
_SCANNED, _ON_SCAN = "desk_scanned", "desk_on_scan"  # in the session
_MEANWHILE = (StaleStatusError, IllegalTransitionError)


def desk_page(request: HttpRequest) -> HttpResponse:
    """The queue, without a parcel."""
    check_may_look(request)
    return _page(request, None)


def parcel_page(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """The queue, and the parcel of this line."""
    check_may_look(request)
    return _page(request, _shown(object_id))


def begin(request: HttpRequest) -> HttpResponse:
    """Claim the most urgent parcel and show it."""
    check_may_look(request)
    if request.method != "POST":
        return redirect(address(request))
    by = actor_of(request)
    must(by, WORK)
    return _to_next(request, by)


def do(request: HttpRequest, object_id: UUID, verb: str) -> HttpResponse:
    """Do something with the parcel of this line, and show it, or the next one."""
    check_may_look(request)
    if verb not in VERBS:
        raise Http404
    shown, what, by = _shown(object_id), VERBS[verb], actor_of(request)
    must(by, what.permission)
    if request.method != "POST":
        return redirect(address(request, object_id))
    form = what.form(request.POST, shown=shown, auto_id=f"{verb}-%s")
    try:
        if form.is_valid():
            said = what.do(shown, form, by)
            messages.success(request, said)
            _remember(request, form)
            return _to_next(request, by) if what.goes_on else redirect(address(request, object_id))
        if what.check:
            what.check(shown.line, by)
    except DeskError as error:
        messages.error(request, str(error))
    except _MEANWHILE:
        messages.error(request, _("Somebody else changed it just now. Nothing was done twice."))
    else:
        hidden = [each for field in form.hidden_fields() for each in field.errors]
        for sentence in [*form.non_field_errors(), *hidden]:
            messages.error(request, str(sentence))
        return _page(request, shown, {verb: form}, status=422)
    return redirect(address(request, object_id))


def scan_view(request: HttpRequest) -> HttpResponse:
    """Understand a scan: pick a product, open an order, or fill in a tracking number."""
    check_may_look(request)
    if request.method != "POST":
        return redirect(address(request))
    by, shown = actor_of(request), _shown_in_form(request)
    try:
        found = scan(request.POST.get("text", ""), shown, by=by)
    except DeskError as error:
        found = Scanned(str(error))
    if found.number and shown and request.session.get(_ON_SCAN):
        return _ship_scanned(request, shown, found, by)
    (messages.success if found.done else messages.warning)(request, found.said)
    line = found.line or (shown.line if shown else None)
    if found.number and shown:
        request.session[_SCANNED] = [str(shown.line.pk), request.POST["text"]]
    return redirect(address(request, line.pk if line else None))


def batch(request: HttpRequest) -> HttpResponse:
    """Ship several chosen parcels with one carrier."""
    check_may_look(request)
    if request.method != "POST":
        return redirect(address(request))
    by, sent = actor_of(request), 0
    must(by, WORK)
    form = BatchForm(request.POST)
    if not form.is_valid():
        return refused(request, form)
    carrier = form.cleaned_data["carrier"]
    for lines in open_parcels(form.cleaned_data["chosen"]):
        try:
            packing = Packing(carrier, "", state_of(lines))
            services.pack_and_ship(parcel=lines[0], packing=packing, by=by)
        except DeskError as error:
            messages.error(request, f"{lines[0].label}: {error}")
        else:
            sent += 1
    if sent:
        text = ngettext("%(n)s parcel sent.", "%(n)s parcels sent.", sent)
        messages.success(request, text % {"n": sent})
    return redirect(address(request))


_PAPERS = {"pick-list": pick_list, "packing-slips": packing_slips}


def paper(request: HttpRequest, kind: str) -> HttpResponse:
    """The pick list or the packing slips of the chosen parcels, as PDF."""
    check_may_look(request)
    if kind not in _PAPERS:
        raise Http404
    if request.method != "POST":
        return redirect(address(request))
    form = ChosenForm(request.POST)
    if not form.is_valid():
        return refused(request, form)
    chosen = open_parcels(form.cleaned_data["chosen"])
    if not chosen:
        messages.warning(request, _("Choose parcels in the queue first."))
        return redirect(address(request))
    answer = HttpResponse(_PAPERS[kind](chosen), content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="{kind}.pdf"'
    answer["Cache-Control"] = "no-store, private"  # it names recipients
    return answer


def _shown(line: UUID) -> ParcelShown:
    shown = parcel_shown(line)
    if shown is None:
        raise Http404
    return shown


def _shown_in_form(request: HttpRequest) -> ParcelShown | None:
    try:
        return parcel_shown(UUID(request.POST.get("line", "")))
    except ValueError:
        return None


def _to_next(request: HttpRequest, by: Actor) -> HttpResponse:
    """Claim the next parcel of the filter, and go to it."""
    head = services.claim_next(by=by, which=which_shown(request))
    if head is None:
        messages.info(request, _("Nothing that you could go on with is left here."))
    return redirect(address(request, head.pk if head else None))


def _remember(request: HttpRequest, form: Form) -> None:
    if isinstance(form, PackForm):
        request.session[_ON_SCAN] = form.cleaned_data["on_scan"]
        request.session.pop(_SCANNED, None)


def _ship_scanned(
    request: HttpRequest, shown: ParcelShown, found: Scanned, by: Actor
) -> HttpResponse:
    """Ship the whole parcel with the number that was scanned, by its own carrier if the usual one
    has other numbers.
    """
    usual = usual_carrier(by)
    carrier = found.number.carrier if found.number else ""
    if carrier.casefold() in usual.casefold():
        carrier = usual
    data = {"seen": shown.state, "carrier": carrier, "tracking_number": request.POST["text"]}
    form = PackForm({**data, "on_scan": "on"}, shown=shown, auto_id="ship-%s")
    try:
        if form.is_valid():
            messages.success(request, VERBS["ship"].do(shown, form, by))
            return _to_next(request, by)
    except DeskError as error:
        messages.error(request, str(error))
        return redirect(address(request, shown.line.pk))
    return _page(request, shown, {"ship": form}, status=422)


def _page(
    request: HttpRequest,
    shown: ParcelShown | None,
    tried: Mapping[str, Form] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    by, which = actor_of(request), which_shown(request)
    request.current_app = admin.site.name
    part = request.headers.get("HX-Request") == "true"
    page = queue_page(by, which, request.GET.get("after", ""))
    carrier = usual_carrier(by)
    context: dict[str, Any] = {
        "title": _("Desk"),
        "queue": [(row, promise_badge(row.head), has_claimed(by, row.head)) for row in page.rows],
        "after": page.after,
        "show": which,
        "filters": _filters(which),
        "is_part": part,
        "may_work": may_do(by, WORK),
        "carriers": CARRIERS,
        "carrier": carrier,
        "line": shown.line.pk if shown else "",
        "said": list(messages.get_messages(request)),
        **(_parcel(request, shown, by, carrier, tried or {}) if shown else {}),
    }
    if not part:
        context = {**admin.site.each_context(request), **context}
    template = "admin/fulfillment/_desk.html" if part else "admin/fulfillment/desk.html"
    answer = TemplateResponse(request, template, context, status=status)
    patch_vary_headers(answer, ["HX-Request"])
    return answer


def _filters(which: str) -> list[tuple[str, str]]:
    """The filters with their names; one by age only while it is chosen."""
    names = (_("To do"), _("Mine"), _("Free"), _("Late"), _("On hold"))
    ages = zip(AGES, (_("Within a day"), _("Later")), strict=True)
    return [*zip(SHOWN, names, strict=True), *(each for each in ages if each[0] == which)]


def _parcel(
    request: HttpRequest,
    shown: ParcelShown,
    by: Actor,
    carrier: str,
    tried: Mapping[str, Form],
) -> dict[str, Any]:
    claimed = shown.claimed_line
    first = {"ship": _first(request, shown, carrier)}
    acts = {}
    for verb, what in VERBS.items():
        if may_do(by, what.permission):
            form = tried.get(verb) or what.form(
                shown=shown, auto_id=f"{verb}-%s", initial=first.get(verb)
            )
            acts[verb] = _act(request, shown, verb, what, form, tried=verb in tried)
    return {
        "parcel": shown,
        "promise": promise_badge(shown.line),
        "claimant": claimed.claimed_by if claimed else None,
        "mine": bool(claimed) and has_claimed(by, claimed) if claimed else False,
        "free": all(may_work_on(by, line) for line in shown.lines),
        "lines": _lines(shown, acts["ship"].form if "ship" in acts else None),
        "enclosed": list(dict.fromkeys(line.message for line in shown.lines if line.message)),
        "shipments": _shipments(shown),
        "events": [told(event) for event in shown.events],
        "acts": acts,
        "doubtful": bool(getattr(tried.get("ship"), "doubt", "")),
    }


def _act(
    request: HttpRequest, shown: ParcelShown, verb: str, what: DeskVerb, form: Form, *, tried: bool
) -> Act:
    """A verb with its form. One that was refused keeps what was typed, but is about the parcel as
    it is now.
    """
    if tried and "seen" in form.fields:
        data: Any = form.data
        form.data = {**data.dict(), "seen": shown.state} if hasattr(data, "dict") else data
    there = reverse("admin:fulfillment_desk_do", args=[shown.line.pk, verb])
    return Act(what.label, f"{there}?{urlencode({'show': which_shown(request)})}", form, tried)


def _first(request: HttpRequest, shown: ParcelShown, carrier: str) -> dict[str, Any]:
    """What the form to ship holds at first: the usual carrier, and the number that was scanned."""
    line, number = request.session.get(_SCANNED, ("", ""))
    return {
        "carrier": carrier,
        "tracking_number": number if line == str(shown.line.pk) else "",
        "on_scan": bool(request.session.get(_ON_SCAN)),
    }


def _lines(shown: ParcelShown, form: Form | None) -> list[tuple[Any, ...]]:
    """The lines, each with its badge and its field for the pieces that go now."""
    boxes = form.units() if isinstance(form, PackForm) else {}
    return [(line, status_badge(line), boxes.get(line.pk)) for line in shown.lines]


def _shipments(shown: ParcelShown) -> list[tuple[Any, list[Any]]]:
    """The parcels that were sent of the order, each with its lines."""
    found: dict[Any, list[Any]] = {}
    for line in shown.sent:
        found.setdefault(line.shipment, []).append(line)
    return list(found.items())
