"""What the rooms' admins share: the theme's classes with types, manners, and badges."""

from typing import TYPE_CHECKING, Generic, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:  # the theme's classes are these, in its dress; it carries no types
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline

__all__ = ["KeptAdmin", "PortalAdmin", "ReadOnlyAdmin", "StackedInline", "TabularInline", "badge"]

Row = TypeVar("Row", bound=Model)

# What a badge's tone looks like, beside its word: never by colour alone.
_ICONS = {
    "ok": "check_circle",
    "warn": "schedule",
    "bad": "error",
    "live": "progress_activity",
    "quiet": "circle",
}


def badge(tone: str, word: object, *, icon: str = "", title: str = "") -> SafeString:
    """A status as colour, icon and word. Tones: ok, warn, bad, live, quiet."""
    return format_html(
        '<span class="badge badge--{}" title="{}">'
        '<span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>',
        tone,
        title,
        icon or _ICONS[tone],
        word,
    )


class PortalAdmin(ModelAdmin[Row], Generic[Row]):
    """Lists of fifty rows, counted once."""

    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    compressed_fields = True
    warn_unsaved_form = True
    list_filter_sheet = False

    def found(self, request: HttpRequest, object_id: str) -> Row:
        """The row for a page of its own; 404 without one, 403 for who may not view it."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def page(
        self, request: HttpRequest, template: str, row: Row, *, status: int = 200, **context: object
    ) -> TemplateResponse:
        """A page of our own about one row, within the theme."""
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
                **context,
            },
            status=status,
        )


class KeptAdmin(PortalAdmin[Row], Generic[Row]):
    """For rows with a history: switched off, never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:  # noqa: ARG002
        return False


class ReadOnlyAdmin(KeptAdmin[Row], Generic[Row]):
    """For rows that only the services write."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:  # noqa: ARG002
        return False
