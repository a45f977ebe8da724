"""Several chosen parcels are sent together, each with the tracking number of its own label.

The numbers are scanned one after the other, or pasted, one on a line. Nothing is sent while a
number is wrong. Each parcel is shipped in a transaction of its own, as it was when the page showed
it, so of two people who send the same one only the first does.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fulfillment.desk import services, tracking
from fulfillment.desk.forms import BatchForm
from fulfillment.desk.frame import address, check_may_look, must, refused
from fulfillment.desk.selectors import open_parcels, state_of, tracked_as
from fulfillment.desk.services import Packing
from fulfillment.models import Fulfillment
from fulfillment.permissions import WORK
from fulfillment.services import DeskError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.actor import Actor

LONGEST = 120  # characters of a tracking number


@dataclass(slots=True)
class NumberedParcel:
    """A parcel of the batch with its number. `seen` is its state when the page showed it; `trouble`
    is what is wrong with the number, and `doubtful`: it may be confirmed all the same.
    """

    lines: Sequence[Fulfillment]
    seen: str
    number: str = ""
    sure: bool = False
    trouble: str = ""
    doubtful: bool = False

    @property
    def head(self) -> Fulfillment:
        return self.lines[0]

    @property
    def pieces(self) -> int:
        return sum(line.open_quantity for line in self.lines)


def numbers(request: HttpRequest) -> HttpResponse:
    """Claim the chosen parcels and ask for the number of each."""
    check_may_look(request)
    if request.method != "POST":
        return redirect(address(request))
    by = actor_of(request)
    must(by, WORK)
    form = BatchForm(request.POST)
    if not form.is_valid():
        return refused(request, form)
    parcels = [
        NumberedParcel(lines, state_of(lines))
        for lines in open_parcels(form.cleaned_data["chosen"])
        if _is_claimed(request, lines[0], by)
    ]
    return _page(request, parcels, form.cleaned_data["carrier"])


def ship(request: HttpRequest) -> HttpResponse:
    """Ship the parcels that have a number, or say what is wrong with the numbers."""
    check_may_look(request)
    if request.method != "POST":
        return redirect(address(request))
    by = actor_of(request)
    must(by, WORK)
    form = BatchForm(request.POST)
    if not form.is_valid():
        return refused(request, form)
    carrier = form.cleaned_data["carrier"]
    parcels = list(_read(request, form.cleaned_data["chosen"]))
    if request.POST.get("do") != "spread":
        _check(parcels, carrier)
    if request.POST.get("do") == "spread" or any(parcel.trouble for parcel in parcels):
        wrong = any(parcel.trouble for parcel in parcels)
        return _page(request, parcels, carrier, status=422 if wrong else 200)
    sent = 0
    for parcel in parcels:
        if not parcel.number:
            continue
        try:
            packing = Packing(carrier, parcel.number, parcel.seen)
            services.pack_and_ship(parcel=parcel.head, packing=packing, by=by)
        except DeskError as error:
            messages.error(request, f"{parcel.head.label}: {error}")
        else:
            sent += 1
    _tell(request, sent, sum(not parcel.number for parcel in parcels))
    return HttpResponseRedirect(address(request), status=303)


def _is_claimed(request: HttpRequest, parcel: Fulfillment, by: Actor) -> bool:
    try:
        services.claim_parcel(parcel=parcel, by=by)
    except DeskError as error:
        messages.error(request, f"{parcel.label}: {error}")
        return False
    return True


def _read(request: HttpRequest, chosen: Sequence[UUID]) -> Iterator[NumberedParcel]:
    """The parcels in the order of the page, with what was typed beside each. Pasted numbers fill
    the fields that are empty, from the first on.
    """
    said, pasted = request.POST, iter(request.POST.get("pasted", "").split("\n"))
    place = {key: number for number, key in enumerate(chosen)}
    known = {line.pk: lines for lines in open_parcels(chosen) for line in lines if line.pk in place}
    gone = [key for key in chosen if key not in known]
    if gone:
        told = ngettext(
            "%(n)s of the parcels was sent or given up meanwhile.",
            "%(n)s of the parcels were sent or given up meanwhile.",
            len(gone),
        )
        messages.warning(request, told % {"n": len(gone)})
    for key in sorted(known, key=lambda each: place[each]):
        number = said.get(f"number-{key}", "").strip() or next(pasted, "").strip()
        number = number.replace("\0", "")[: LONGEST + 1]
        number = tracking.plain(number) if tracking.read(number) else number
        seen = said.get(f"seen-{key}", "")
        yield NumberedParcel(known[key], seen, number, sure=f"sure-{key}" in said)


def _check(parcels: Sequence[NumberedParcel], carrier: str) -> None:
    """Write beside each number what is wrong with it."""
    often = Counter(tracking.plain(parcel.number) for parcel in parcels if parcel.number)
    for parcel in parcels:
        number = parcel.number
        if not number:
            continue
        if len(number) > LONGEST:
            parcel.trouble = _("A tracking number has at most %(n)s characters.") % {"n": LONGEST}
        elif often[tracking.plain(number)] > 1:
            parcel.trouble = _("This number stands here twice.")
        elif not parcel.sure:
            parcel.trouble = _doubt(carrier, number)
            parcel.doubtful = bool(parcel.trouble)


def _doubt(carrier: str, number: str) -> str:
    if tracking.is_doubtful(carrier, number):
        told = _("This is no number of %(carrier)s: its form or its check digit is wrong.")
        return told % {"carrier": carrier}
    if tracked_as(tracking.plain(number)).exists():
        return _("Another parcel has this tracking number.")
    return ""


def _tell(request: HttpRequest, sent: int, left: int) -> None:
    if sent:
        told = ngettext("%(n)s parcel sent.", "%(n)s parcels sent.", sent)
        messages.success(request, told % {"n": sent})
    if left:
        told = ngettext(
            "%(n)s parcel without a number was left in the queue. It is yours.",
            "%(n)s parcels without a number were left in the queue. They are yours.",
            left,
        )
        messages.info(request, told % {"n": left})


def _page(
    request: HttpRequest, parcels: Sequence[NumberedParcel], carrier: str, *, status: int = 200
) -> HttpResponse:
    if not parcels:
        return redirect(address(request))
    request.current_app = admin.site.name
    context = {
        **admin.site.each_context(request),
        "title": _("Numbers of the chosen parcels"),
        "parcels": parcels,
        "carrier": carrier,
        "desk": address(request),
        "show": request.GET.get("show", ""),
        "longest": LONGEST,
    }
    return TemplateResponse(request, "admin/fulfillment/numbers.html", context, status=status)
