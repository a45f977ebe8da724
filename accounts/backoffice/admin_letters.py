"""Letters to people about seats and invitations: to whom, about what, and whether they went out."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import PersonLetter
from accounts.selectors import troubled_letters
from loyalty_portal.admin_site.base import ReadOnlyAdmin, badge


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
    search_fields = ["to", "company__name"]
    search_help_text = gettext_lazy("E-mail or company")
    ordering = ["-created_at", "-id"]
    fields = ["to", "kind", "company", "invitation", "created_at", "state"]
    readonly_fields = ["state"]

    @admin.display(description=gettext_lazy("state"), ordering="sent_at")
    def state(self, letter: PersonLetter) -> SafeString:
        if letter.sent_at:
            return badge("ok", _("Sent"))
        if letter.problem:
            return badge("bad", letter.problem)
        return badge("live", _("Waiting"))
