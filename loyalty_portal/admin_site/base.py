"""Base classes of all admin pages: the theme's classes with types, editing rules, and badges."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import CharField, Field, ForeignKey, Model, QuerySet
from django.forms import Field as FormField
from django.forms import Form, ModelChoiceField
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from loyalty_portal.admin_site.edits import EditedForm, hold, told_meanwhile
from loyalty_portal.admin_site.found import Branch, keys_found
from loyalty_portal.admin_site.lists import PortalList, ShortCount, shortened
from loyalty_portal.admin_site.rows import CountedRows
from loyalty_portal.admin_site.verbs import Act, Verb, actor_of
from loyalty_portal.data.lifecycle import IllegalTransitionError, StaleStatusError
from loyalty_portal.data.one_line import OneLineField

# The theme's classes are subclasses of these but carry no types, so type checkers see these.
if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.contrib.admin import StackedInline as _StackedInline
    from django.contrib.admin import TabularInline as _TabularInline
else:
    from unfold.admin import ModelAdmin
    from unfold.admin import StackedInline as _StackedInline
    from unfold.admin import TabularInline as _TabularInline

__all__ = [
    "ActingAdmin",
    "Choosing",
    "KeptAdmin",
    "PortalAdmin",
    "ReadOnlyAdmin",
    "StackedInline",
    "TabularInline",
    "badge",
    "letter_alone",
]

Row = TypeVar("Row", bound=Model)
Parent = TypeVar("Parent", bound=Model)

# A letter has its styles inside, as mail programs want it.
LETTER_POLICY = "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def letter_alone(letter: EmailMultiAlternatives) -> HttpResponse:
    """A letter as its reader sees it, in a sandbox of its own: it runs no script, loads nothing and
    belongs to no origin.
    """
    response = HttpResponse(letter.alternatives[0][0])
    response.headers["Content-Security-Policy"] = LETTER_POLICY
    return response


# The style of each badge tone. A badge also has an icon and a word, so colour never stands alone.
_ICONS = {
    "ok": "check_circle",
    "warn": "schedule",
    "bad": "error",
    "live": "progress_activity",
    "quiet": "circle",
}


_ONE_LINE = 28  # characters; a badge with more may wrap


def badge(tone: str, word: object, *, icon: str = "", title: str = "") -> SafeString:
    """A status as colour, icon and word. `tone` is one of ok, warn, bad, live, quiet."""
    return format_html(
        '<span class="badge badge--{}{}" title="{}">'
        '<span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>',
        tone,
        " badge--long" if len(str(word)) > _ONE_LINE else "",
        title,
        icon or _ICONS[tone],
        word,
    )


class KnownChoice(AutocompleteSelect):
    """An autocomplete field that can be shown again with a value that is not a valid key."""

    def optgroups(
        self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None
    ) -> Any:
        try:
            return super().optgroups(name, value, attrs)
        except (ValidationError, ValueError):
            return super().optgroups(name, [], attrs)


class Choosing(BaseModelAdmin[Row], Generic[Row]):
    """Mixin for pages and inlines: typed autocomplete fields, and one-line texts."""

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> FormField | None:
        if type(db_field) is CharField:
            kwargs.setdefault("form_class", OneLineField)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", KnownChoice(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class StackedInline(_StackedInline[Row, Parent], Generic[Row, Parent]):
    """Inline rows below each other. Concurrent edits are merged (edits.py)."""

    form = EditedForm
    formset = CountedRows


class TabularInline(_TabularInline[Row, Parent], Generic[Row, Parent]):
    """Inline rows in a table. Concurrent edits are merged (edits.py)."""

    form = EditedForm
    formset = CountedRows


class PortalAdmin(Choosing[Row], ModelAdmin[Row], Generic[Row]):
    """Base of editable admin pages: lists of fifty rows, and forms that merge edits (edits.py)."""

    form = EditedForm

    list_per_page = 50
    paginator = ShortCount
    list_max_show_all = 0
    # Only what an index has in order.
    sortable_by: ClassVar[list[str] | tuple[str, ...] | None] = ()
    show_full_result_count = False
    # Whether the actions of the list are jobs, which work all that a long list finds.
    works_on_all = False
    compressed_fields = True
    warn_unsaved_form = True
    list_filter_sheet = False

    def found_by(self, term: str) -> Sequence[Branch]:
        """The branches of the list's search (found.py). Without any, Django searches the columns in
        `search_fields`, which is for tables that stay small.
        """
        return ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        """Search by `found_by`. Autocomplete fields search for a shortened text, as the list."""
        term = shortened(search_term)
        branches = self.found_by(term) if term else ()
        if not branches:
            return super().get_search_results(request, queryset, term)
        found = keys_found(branches)
        request.found_in_part = found.in_part  # type: ignore[attr-defined] # the list says so
        return queryset.filter(pk__in=found.keys), False

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[PortalList]:
        return PortalList

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **{"form": EditedForm, **kwargs})

    @transaction.atomic
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Lock the row and its inlines' rows before a POST reads them, until they are saved."""
        if request.method == "POST" and object_id:
            hold(self.model, unquote(object_id), self.get_inline_instances(request))
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=form.columns)
        else:
            obj.save()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        stays = _("That change stays; only your own changes were saved.")
        for sentence in told_meanwhile(form, formsets):
            messages.info(request, f"{sentence} {stays}")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """On a form that is shown again, also list what others changed in other fields."""
        formsets = [inline.formset for inline in context.get("inline_admin_formsets", ())]
        for sentence in told_meanwhile(context["adminform"].form, formsets):
            messages.info(request, sentence)
        return super().render_change_form(request, context, *args, **kwargs)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the changes of this row, for whoever may see it: 403 for others."""
        row = self.found(request, unquote(object_id))
        query = urlencode({"of": self.opts.label_lower, "key": str(row.pk)})
        return HttpResponseRedirect(f"{reverse('admin:audit_changes')}?{query}")

    def found(self, request: HttpRequest, object_id: str) -> Row:
        """The row for a page of its own. Raises 403 if the user may not view such rows or this
        one, 404 without one.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def page(
        self, request: HttpRequest, template: str, row: Row, *, status: int = 200, **context: object
    ) -> TemplateResponse:
        """Render a page about one row in the theme's layout."""
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": row,
                "title": str(row),
                "media": self.media,
                "history": reverse(
                    f"admin:{self.opts.label_lower.replace('.', '_')}_history", args=[row.pk]
                ),
                **context,
            },
            status=status,
        )


class KeptAdmin(PortalAdmin[Row], Generic[Row]):
    """Base for rows with a history, which can be switched off but not deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False


class ReadOnlyAdmin(KeptAdmin[Row], Generic[Row]):
    """Base for rows that only services write."""

    actions: Sequence[str] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False


class ActingAdmin(ReadOnlyAdmin[Row], Generic[Row]):
    """Base for read-only rows whose page offers actions that call services.

    The page posts to `<id>/do/<verb>/`. When an action fails, its form keeps what was typed.
    """

    page_template: str
    verbs: Mapping[str, Verb[Row]] = {}
    refusals: tuple[type[Exception], ...] = ()

    def facts(self, request: HttpRequest, row: Row) -> dict[str, object]:
        """The template variables of the page, besides the row and the forms."""
        raise NotImplementedError

    def first_values(self, row: Row) -> dict[str, object]:
        """The initial values of the forms, by field name."""
        return {}

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(self.act_view)
        address = path("<uuid:object_id>/do/<slug:verb>/", act, name=self._address("do"))
        return [address, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.found(request, object_id)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return self._show(request, row, {})

    def act_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Run one action on a row, then redirect to the row's page (303)."""
        row = self.found(request, object_id)
        if verb not in self.verbs:
            raise Http404
        what = self.verbs[verb]
        actor = actor_of(request)
        if not what.may(actor):
            raise PermissionDenied
        there = reverse(f"admin:{self._address('change')}", args=[row.pk])
        if request.method != "POST":
            return HttpResponseRedirect(there)
        form = what.form(request.POST, auto_id=f"{verb}-%s")
        told = ""
        if form.is_valid():
            try:
                told = what.act(row, form.cleaned_data, actor)
            except self.refusals as error:
                form.add_error(None, str(error))
            except (StaleStatusError, IllegalTransitionError):
                form.add_error(
                    None, _("Somebody else changed it just now. Nothing was done twice.")
                )
        # Show these errors on top, because the fresh page may no longer have this action's form.
        unseen = [error for field in form.hidden_fields() for error in field.errors]
        for sentence in [*form.non_field_errors(), *unseen]:
            messages.error(request, str(sentence))
        if form.errors and form.fields:
            fresh = self.found(request, object_id)
            return self._show(request, fresh, {verb: form}, status=422)
        if told:
            messages.success(request, told)
        return HttpResponseRedirect(there, status=303)

    def _address(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def _show(
        self, request: HttpRequest, row: Row, tried: Mapping[str, Form], *, status: int = 200
    ) -> TemplateResponse:
        first, actor = self.first_values(row), actor_of(request)
        for form in tried.values():
            _show_anew(form, first)
        acts = {
            verb: Act(
                label=what.label,
                href=reverse(f"admin:{self._address('do')}", args=[row.pk, verb]),
                form=tried.get(verb) or what.form(initial=first, auto_id=f"{verb}-%s"),
                tried=verb in tried,
            )
            for verb, what in self.verbs.items()
            if what.may(actor)
        }
        return self.page(
            request, self.page_template, row, status=status, acts=acts, **self.facts(request, row)
        )


def _show_anew(form: Form, first: Mapping[str, object]) -> None:
    """Keep what was typed, but set hidden fields, which hold what the page showed, to fresh
    values.
    """
    data: Any = form.data
    data = data.copy()
    for field in form.hidden_fields():
        if field.name in first:
            value = first[field.name]
            data[field.html_name] = "" if value is None else str(value)
    form.data = data
