"""Letters to people about seats and invitations: to whom, about what, and whether they went out."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.backoffice.finding import company_keys
from accounts.models import PersonLetter, PersonLetterKind
from accounts.seats.letters import compose
from accounts.selectors import troubled_letters
from loyalty_portal.admin_site.base import ReadOnlyAdmin, badge, letter_alone
from loyalty_portal.admin_site.found import Branch, newest_of

NOT_SHOWN = "not-shown"  # instead of the secret of a link


class TroubleFilter(admin.SimpleListFilter):
    """Filters letters that could not be sent yet."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("problem", _("Could not be sent yet"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset & troubled_letters() if self.value() else queryset


class PersonLetterAdmin(ReadOnlyAdmin[PersonLetter]):
    """Letters to people, the newest first. The secret of a link is never among their fields."""

    list_display = ["to", "kind", "company", "created_at", "state"]
    list_select_related = ["company"]
    list_filter = [TroubleFilter, "kind"]
    search_fields = ["to"]
    search_help_text = gettext_lazy("E-mail or company")
    ordering = ["-id"]  # the time is in the key, which has an index
    fields = ["to", "kind", "company", "invitation", "created_at", "state", "look"]
    readonly_fields = ["state", "look"]

    def get_urls(self) -> list[URLPattern]:
        look = self.admin_site.admin_view(self.preview_view)
        address = path("<uuid:object_id>/preview/", look, name="accounts_personletter_preview")
        return [address, *super().get_urls()]

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a letter as its reader gets it, but for the secret of its link."""
        letter = self.found(request, object_id)
        if letter.kind not in PersonLetterKind.values:
            raise Http404
        letter.secret = NOT_SHOWN
        return letter_alone(compose(letter))

    @admin.display(description=gettext_lazy("preview"))
    def look(self, letter: PersonLetter) -> SafeString:
        there = reverse("admin:accounts_personletter_preview", args=[letter.pk])
        return format_html(
            '<a href="{}" target="_blank" rel="noopener">{}</a>', there, _("See the letter")
        )

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = PersonLetter.objects.order_by()
        of_companies = newest_of(rows, "company", company_keys(term))
        return [rows.filter(to__istartswith=term), *of_companies]

    @admin.display(description=gettext_lazy("state"))
    def state(self, letter: PersonLetter) -> SafeString:
        if letter.sent_at:
            return badge("ok", _("Sent"))
        if letter.problem:
            return badge("bad", letter.problem)
        return badge("live", _("Waiting"))
