"""The page for staff who may not open something: it says which groups may.

The permission is that of the page's verb, or the one that Django asks for on a model's pages. A
page of our own raises `RefusedError` with its permission.
"""

from collections.abc import Sequence

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.defaults import permission_denied

_PAGES = {"changelist": "view", "history": "view", "add": "add", "delete": "delete"}


class RefusedError(PermissionDenied):
    """The person lacks `permission`, such as "redemption.run_reconciliation"."""

    def __init__(self, permission: str) -> None:
        super().__init__()
        self.permission = permission

    def __str__(self) -> str:
        return who_may([self.permission])


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`. In the admin it adds who may, unless the exception says something."""
    match = request.resolver_match
    if match and match.namespace == "admin" and not str(exception):
        exception = PermissionDenied(who_may(_needed(request)))
    return permission_denied(request, exception)


def who_may(permissions: Sequence[str]) -> str:
    """Which groups have one of these permissions, in a sentence; "" without permissions."""
    if not permissions:
        return ""
    wanted = Q()
    for name in permissions:
        room, _dot, codename = name.partition(".")
        wanted |= Q(content_type__app_label=room, codename=codename)
    found = list(Permission.objects.filter(wanted))
    groups = Group.objects.filter(permissions__in=found).distinct().order_by("name")
    names = [group.name for group in groups]
    asked = _("“%(what)s” is needed.") % {"what": found[0].name if found else permissions[0]}
    if not names:
        nobody = _("No group has it. Nothing was changed.")
        return f"{asked} {nobody}"
    told = ngettext(
        "The group %(groups)s has it. The administrators put people into groups. "
        "Nothing was changed.",
        "The groups %(groups)s have it. The administrators put people into groups. "
        "Nothing was changed.",
        len(names),
    )
    listed = told % {"groups": get_text_list(names, _("and"))}
    return f"{asked} {listed}"


def _needed(request: HttpRequest) -> list[str]:
    """The permission that the page needs, as far as its address tells; [] if it does not."""
    match = request.resolver_match
    if match is None or not match.url_name:
        return []
    for model, model_admin in admin.site._registry.items():  # noqa: SLF001 - no public name
        room, name = model._meta.app_label, model._meta.model_name
        if not match.url_name.startswith(f"{room}_{name}_"):
            continue
        page = match.url_name.removeprefix(f"{room}_{name}_")
        verb = getattr(model_admin, "verbs", {}).get(match.kwargs.get("verb"))
        if not model_admin.has_view_or_change_permission(request):
            return [f"{room}.view_{name}"]
        if page == "do" and verb:
            return [verb.permission]
        action = "change" if page == "change" else _PAGES.get(page)
        return [f"{room}.{action}_{name}"] if action else []
    return []
