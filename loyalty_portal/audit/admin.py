"""The trail, and the change history of all models, of one row or of many."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty_portal.admin_site.base import ReadOnlyAdmin
from loyalty_portal.admin_site.found import MOST_OWNERS, Branch, keys_found, newest_of, with_words
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.audit.changes import (
    ChangesAsked,
    RowChange,
    changes,
    fields_of,
    seen_with,
    tracked_models,
)
from loyalty_portal.audit.forms import ChangesFilter
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.ids import order_number_in
from loyalty_portal.data.tables.cells import BOM, CSV_TYPE, csv_text
from loyalty_portal.data.texts.times import exact, midnight

SHOWN = 50  # changes on a page
READING = ("GET", "HEAD")  # who may not see a page is refused before its method is
EXPORTED = 10_000  # rows of an export at most; the page says so
TRAIL = "audit.view_trailentry"
PERSONAL = "audit.view_personal_data"


@admin.register(TrailEntry)
class TrailEntryAdmin(ReadOnlyAdmin[TrailEntry]):
    """The trail: sign-ins, revealed codes, exports, decisions and the like, newest first."""

    list_display = ["at_shown", "kind", "who", "what_shown", "place", "address_shown"]
    list_display_links = ["at_shown"]
    list_select_related = ["by"]
    list_filter = ["kind", "at"]
    search_fields = ["what"]
    sortable_by = ["at_shown"]
    search_help_text = gettext_lazy("Order number or other name, key, or person")
    list_before_template = "admin/audit/_trail_tools.html"
    ordering = ["-id"]
    fields = ["at_shown", "kind", "who", "what_shown", "facts", "place", "address_shown"]
    readonly_fields = ["at_shown", "who", "what_shown", "address_shown"]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("changes/", wrap(self.changes_view), name="audit_changes"),
            path("changes/export/", wrap(self.export_changes), name="audit_changes_export"),
            path("export/", wrap(self.export_trail), name="audit_trail_export"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrailEntry]:
        found = super().get_queryset(request).select_related("by")
        return found if request.user.has_perm(PERSONAL) else found.defer("address")

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = TrailEntry.objects.order_by()
        of_name = rows.exclude(what="").filter(what__istartswith=order_number_in(term) or term)
        of_key = rows.exclude(key="").filter(key=term)
        return [of_name, of_key, *newest_of(rows, "by", _people(term))]

    # --- The change history ---------------------------------------------------------------

    def changes_view(self, request: HttpRequest) -> HttpResponse:
        """Changes of all models that the person may see, or of one row: its history."""
        form, asked = _asked(request)
        if request.method not in READING:
            return HttpResponseNotAllowed(READING)
        found = changes(asked, most=SHOWN + 1, personal=request.user.has_perm(PERSONAL))
        shown = found[:SHOWN]
        query = request.GET.copy()
        if len(found) > SHOWN:
            at, number, label = shown[-1].place_in_list
            query["before"] = f"{at.isoformat()} {number} {label}"
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _title(shown, asked),
            "media": self.media,
            "form": form,
            "changes": [(change, _address_of(change)) for change in shown],
            "older": query.urlencode() if len(found) > SHOWN else "",
            "entries": _about(asked) if request.user.has_perm(TRAIL) else [],
            "one": bool(asked.key),
            "may_export": request.user.has_perm(TRAIL),
            "export": f"{reverse('admin:audit_changes_export')}?{request.GET.urlencode()}",
            "tracked": bool(asked.models),
        }
        return TemplateResponse(request, "admin/audit/changes.html", context)

    def export_changes(self, request: HttpRequest) -> HttpResponseBase:
        """The changes as CSV, a line for each field."""
        if not request.user.has_perm(TRAIL):
            raise RefusedError(TRAIL)
        if request.method not in READING:
            return HttpResponseNotAllowed(READING)
        _form, asked = _asked(request)
        personal = request.user.has_perm(PERSONAL)
        record(TrailKind.EXPORTED, by=actor_of(request), what=_("RowChange history"))
        found = changes(replace(asked, before=None), most=EXPORTED, personal=personal)
        head = ["when", "who", "where", "address", "model", "object", "key", "what", "field"]
        return _file("changes", [[*head, "old", "new"]], _lines(found))

    # --- The trail ------------------------------------------------------------------------

    def export_trail(self, request: HttpRequest) -> HttpResponseBase:
        """The trail as CSV, as the list is filtered."""
        if not request.user.has_perm(TRAIL):
            raise RefusedError(TRAIL)
        if request.method not in READING:
            return HttpResponseNotAllowed(READING)
        record(TrailKind.EXPORTED, by=actor_of(request), what=_("Trail"))
        found = self.get_changelist_instance(request).get_queryset(request)[:EXPORTED]
        personal = request.user.has_perm(PERSONAL)
        rows = (
            [
                entry.at.isoformat(),
                entry.kind,
                str(entry.by or ""),
                entry.what,
                entry.model,
                entry.key,
                str(entry.facts or ""),
                entry.place,
                entry.address if personal else "",
            ]
            for entry in found.iterator(chunk_size=1000)
        )
        head = ["when", "kind", "who", "about", "model", "key", "details", "where", "address"]
        return _file("trail", [head], rows)

    @admin.display(description=gettext_lazy("when"), ordering="id")
    def at_shown(self, entry: TrailEntry) -> str:
        return exact(entry.at, seconds=True)

    @admin.display(description=gettext_lazy("who"))
    def who(self, entry: TrailEntry) -> str:
        return str(entry.by or "–")

    @admin.display(description=gettext_lazy("about"))
    def what_shown(self, entry: TrailEntry) -> SafeString | str:
        """What it is about, with a link to its page if it has one."""
        text = entry.what or (capfirst(entry.model.partition(".")[2]) if entry.key else "–")
        there = _page(entry.model, entry.key)
        return format_html('<a class="link" href="{}">{}</a>', there, text) if there else text

    @admin.display(description=gettext_lazy("network address"))
    def address_shown(self, entry: TrailEntry) -> str:
        deferred = "address" in entry.get_deferred_fields()
        return "•••" if deferred else entry.address or "–"


def _people(term: str) -> frozenset[Any]:
    """The first people whose e-mail address begins with the term, or whose name has its words."""
    people = get_user_model().objects.order_by()
    branches = [people.filter(email__istartswith=term), with_words(people, term, "name")]
    return keys_found([branch[:MOST_OWNERS] for branch in branches]).keys


def _asked(request: HttpRequest) -> tuple[ChangesFilter, ChangesAsked]:
    """The form and what it asks for. The history of one row needs the permission to see such rows,
    all else the one for the trail. Raises RefusedError.
    """
    may = request.user.has_perm
    of, key = request.GET.get("of", ""), request.GET.get("key", "").replace("\0", "").strip()
    if key and of in tracked_models():
        if not may(seen_with(of)):
            raise RefusedError(seen_with(of))
    elif not may(TRAIL):
        if key and _may_view(request, of):
            return _form(request, [], ""), ChangesAsked(())
        raise RefusedError(TRAIL)
    models = [label for label in tracked_models() if may(seen_with(label))]
    form = _form(request, models, of)
    told = form.cleaned_data if form.is_valid() else {}
    chosen = () if key and of not in models else tuple(each for each in models if of in {"", each})
    asked = ChangesAsked(
        models=chosen,
        key=key,
        who=told.get("who", ""),
        field=told.get("field", "") if of else "",
        since=_day(told.get("since")),
        until=_day(told.get("until"), days=1),
        before=_before(request.GET.get("before", "")),
    )
    return form, asked


def _may_view(request: HttpRequest, label: str) -> bool:
    """Whether somebody may see rows of a model that has no history."""
    shown = {model._meta.label_lower: one for model, one in admin.site._registry.items()}  # noqa: SLF001 - no public name
    return label in shown and shown[label].has_view_permission(request)


def _form(request: HttpRequest, models: Sequence[str], of: str) -> ChangesFilter:
    names = [(label, _model_name(label)) for label in models]
    fields = fields_of(of) if of in models else []
    return ChangesFilter(request.GET or None, models=names, fields=fields)


def _model_name(label: str) -> str:
    model: Any = tracked_models()[label]
    return str(capfirst(model.pgh_tracked_model._meta.verbose_name))


def _before(text: str) -> tuple[datetime, int, str] | None:
    """The place in the list of the last change that was shown; None for anything else."""
    match text.replace("\0", "").split(" "):
        case [moment, number, label] if number.isdecimal() and len(number) < 19:
            at = _moment(moment)
            return (at, int(number), label) if at and at.tzinfo else None
    return None


def _moment(text: str) -> datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        return None


def _day(day: Any, *, days: int = 0) -> datetime | None:
    if day is None:
        return None
    return midnight(day) + timedelta(days=days)


def _title(shown: Sequence[RowChange], asked: ChangesAsked) -> str:
    if asked.key and shown:
        return _("History: %(name)s") % {"name": shown[0].name or shown[0].model}
    return _("History") if asked.key else _("Changes")


def _about(asked: ChangesAsked) -> QuerySet[TrailEntry] | list[TrailEntry]:
    """What the trail has about the row."""
    if not asked.key:
        return []
    return TrailEntry.objects.filter(key=asked.key).select_related("by")[:SHOWN]


def _address_of(change: RowChange) -> str:
    return _page(change.label, change.key)


def _page(label: str, key: str) -> str:
    """The address of a row's page in the admin; "" without one."""
    if not label or not key:
        return ""
    try:
        return reverse(f"admin:{label.replace('.', '_')}_change", args=[key])
    except NoReverseMatch:
        return ""


def _lines(found: Sequence[RowChange]) -> Iterator[list[str]]:
    for change in found:
        start = [
            change.at.astimezone(UTC).isoformat(),
            *(change.who, change.place, change.address, change.model, change.name, change.key),
            change.kind,
        ]
        if not change.differences:
            yield [*start, "", "", ""]
        for each in change.differences:
            yield [*start, each.label, *(("•••", "•••") if each.hidden else (each.old, each.new))]


def _file(
    name: str, head: Sequence[Sequence[str]], rows: Iterable[Sequence[str]]
) -> StreamingHttpResponse:
    """A CSV file in UTF-8 that spreadsheets open without running any formula."""
    lines = (csv_text([row]) for part in (head, rows) for row in part)
    answer = StreamingHttpResponse(chain([BOM], lines), content_type=CSV_TYPE)
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer
