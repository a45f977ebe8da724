"""The page on which staff receive, count and adjust a list of products."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from inventory.documents.booking import book_later
from inventory.documents.forms import AT_ONCE, MOST_LINES, DocumentForm, ScanForm, new_token
from inventory.documents.lists import ListLine, added, as_text, entries
from inventory.documents.services import Checked, WrongRowsError, booked_before, check, write
from inventory.models import DocumentKind
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.admin import begun
from loyalty_portal.jobs.kinds import JobRefusedError

WAYS: dict[str, tuple[DocumentKind, Promise, Promise]] = {
    "receive": (
        DocumentKind.RECEIPT, gettext_lazy("Receive goods"), gettext_lazy("Book the receipt"),
    ),
    "count": (
        DocumentKind.COUNT, gettext_lazy("Count the shelf"), gettext_lazy("Book the count"),
    ),
    "adjust": (
        DocumentKind.ADJUSTMENT,
        gettext_lazy("Adjust the stock"),
        gettext_lazy("Book the adjustment"),
    ),
}  # fmt: skip


@dataclass(slots=True)
class Desk:
    """What the page shows: the list as checked, and what was just said about a scan or the list."""

    form: DocumentForm
    text: str = ""
    checked: Sequence[Checked] = ()
    said: str = ""
    wrong: bool = False
    troubles: list[tuple[int, str]] = field(default_factory=list)
    looked: bool = True  # whether the person looks at the list now; while scanning they do not

    @property
    def seen(self) -> str:
        """The shelf as the person saw it, for `DocumentForm.seen`."""
        return "".join(
            f"{each.entry.sku}\t{each.on_shelf if self.looked else each.before}\n"
            for each in self.checked
            if each.product
        )

    @property
    def shown(self) -> list[Checked]:
        """The first AT_ONCE lines, those to look at first, then the newest."""
        return sorted(self.checked, key=lambda each: (not each.is_wrong, -each.entry.row))[:AT_ONCE]

    @property
    def more(self) -> int:
        """Lines that are not shown; a list that has them is booked in the background."""
        return max(0, len(self.checked) - AT_ONCE)

    @property
    def errors(self) -> int:
        return sum(bool(each.error) for each in self.checked)

    @property
    def pieces(self) -> int:
        return sum(each.entry.pieces or 0 for each in self.checked)

    @property
    def ready(self) -> bool:
        return bool(self.checked) and not self.errors


def workbench(request: HttpRequest, way: str, each_context: dict[str, Any]) -> HttpResponse:
    """The page, and each of its buttons: add a scan, check the list, book it.

    A scan that a script sends gets the list alone. `each_context`: what all pages of the admin get.
    """
    if way not in WAYS:
        raise Http404
    if not request.user.has_perm("inventory.move_stock"):
        raise RefusedError("inventory.move_stock")
    kind, title, book = WAYS[way]
    desk = Desk(DocumentForm(kind=kind, initial={"token": new_token()}, auto_id="doc-%s"))
    status = 200
    if request.method == "POST":
        answer = _posted(request, kind)
        if isinstance(answer, HttpResponse):
            return answer
        desk, status = answer, 422 if answer.wrong else 200
    context = {"desk": desk, "kind": kind, "way": way, "title": title, "book": book}
    if request.headers.get("HX-Request"):
        return TemplateResponse(request, "admin/inventory/_list.html", context, status=status)
    page = "admin/inventory/workbench.html"
    ways = [(name, label, name == way) for name, (_kind, label, _book) in WAYS.items()]
    return TemplateResponse(request, page, {**each_context, **context, "ways": ways}, status=status)


def _posted(request: HttpRequest, kind: DocumentKind) -> Desk | HttpResponse:
    form = DocumentForm(request.POST, request.FILES, kind=kind, auto_id="doc-%s")
    form.full_clean()
    do = request.POST.get("do", "add")
    text = form.cleaned_data.get("lines", request.POST.get("lines", ""))
    seen = form.cleaned_data.get("seen", {})
    if "lines" in form.errors or "token" in form.errors:
        return Desk(form, text, said=_first_error(form), wrong=True)
    if do == "write" and form.is_valid() and not form.cleaned_data["file"]:
        return _book(request, form, entries(text), seen)
    desk = Desk(form, text)
    if do == "add":
        desk.looked = False
        _scan(desk, ScanForm(request.POST))
    elif do == "check" or form.cleaned_data.get("file"):
        _take_in(desk)
    else:  # something above the list is missing
        desk.said, desk.wrong = _first_error(form), True
    desk.checked = check(kind=kind, entries=entries(desk.text), seen=seen)
    if do == "check" and not desk.said:
        _sum_up(desk)
    _keep_quiet(form, do)
    return desk


def _first_error(form: DocumentForm) -> str:
    for name, errors in form.errors.items():
        label = form.fields[name].label if name in form.fields else ""
        return f"{label}: {errors[0]}" if label else str(errors[0])
    return ""


def _keep_quiet(form: DocumentForm, do: str) -> None:
    """Do not ask for the reason while the list is still being made."""
    if do != "write":
        for name in ("reason", "reference"):
            form.errors.pop(name, None)


def _scan(desk: Desk, scan: ScanForm) -> None:
    """Add what was scanned to the list, and say it; or say why not."""
    kind = desk.form.kind
    if not scan.is_valid():
        desk.said, desk.wrong = str(next(iter(scan.errors.values()))[0]), True
        return
    sku, pieces = scan.cleaned_data["scan"], scan.cleaned_data["pieces"]
    pieces = 1 if pieces is None else pieces
    if not sku:
        desk.said, desk.wrong = _("Scan a SKU, or type one."), True
        return
    [found] = check(kind=kind, entries=[ListLine.of(1, sku, str(pieces or 1))], seen={})
    if found.product is None:
        desk.said, desk.wrong = f"{sku[:60]}: {found.error}", True
        return
    desk.text = added(desk.text, found.product.sku, pieces)
    if len(entries(desk.text)) > MOST_LINES:
        desk.said = _("A list has at most %(n)s lines. Book this one first.") % {"n": MOST_LINES}
        desk.wrong = True
        return
    line = next(each for each in entries(desk.text) if each.key == found.product.sku.upper())
    desk.said = f"{found.product.sku} × {line.text} · {found.product.name}"


def _take_in(desk: Desk) -> None:
    """Put the lines of the file behind those of the list, and name its odd cells."""
    read = desk.form.cleaned_data.get("file")
    if "file" in desk.form.errors:
        desk.said, desk.wrong = str(desk.form.errors["file"][0]), True
    elif read:
        desk.troubles = read.wrong
        joined = as_text(entries(desk.text)) + read.text
        if len(entries(joined)) > MOST_LINES:
            told = _("The list and the file have more than %(n)s lines together.")
            desk.said, desk.wrong = told % {"n": grouped(MOST_LINES)}, True
        else:
            desk.text = joined


def _sum_up(desk: Desk) -> None:
    number = len(desk.checked)
    if not number:
        desk.said, desk.wrong = _("The list is empty."), True
    elif desk.errors:
        told = ngettext("%(n)s line is wrong.", "%(n)s lines are wrong.", desk.errors)
        desk.said, desk.wrong = told % {"n": desk.errors}, True
    else:
        told = ngettext("%(n)s line, all right.", "%(n)s lines, all right.", number)
        desk.said = told % {"n": number}


def _book(
    request: HttpRequest, form: DocumentForm, found: list[ListLine], seen: dict[str, int]
) -> Desk | HttpResponse:
    """Write the list; or show it again with what is wrong."""
    data = form.cleaned_data
    if len(found) > AT_ONCE:
        return _book_later(request, form, found, seen)
    try:
        made, new = write(
            kind=form.kind,
            entries=found,
            seen=seen,
            token=data["token"],
            reference=data["reference"],
            reason=data["reason"],
            by=actor_of(request),
        )
    except WrongRowsError as error:
        empty = _("The list is empty.") if not found else str(error)
        return Desk(form, data["lines"], error.checked, said=empty, wrong=True)
    if new:
        number = len(found)
        told = ngettext("%(n)s line is booked.", "%(n)s lines are booked.", number)
        messages.success(request, f"{made.number}: {told % {'n': number}}")
    else:
        messages.warning(request, booked_before(made))
    there = reverse("admin:inventory_stockdocument_change", args=[made.pk])
    return HttpResponseRedirect(there, status=303)


def _book_later(
    request: HttpRequest, form: DocumentForm, found: list[ListLine], seen: dict[str, int]
) -> Desk | HttpResponse:
    """Have a long list written by a job; or show it again with what is wrong."""
    data = form.cleaned_data
    checked = check(kind=form.kind, entries=found, seen=seen)
    if any(each.is_wrong for each in checked):
        return Desk(form, data["lines"], checked, said=str(WrongRowsError(checked)), wrong=True)
    try:
        job = book_later(
            kind=form.kind,
            entries=found,
            seen=seen,
            token=data["token"],
            reference=data["reference"],
            reason=data["reason"],
            by=actor_of(request),
        )
    except JobRefusedError as error:
        return Desk(form, data["lines"], checked, said=str(error), wrong=True)
    return begun(job)
