"""The admin site: it uses the portal's sign-in and brand, and has its own content policy."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.account.decorators import secure_admin_login
from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.views import shortcut
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.module_loading import import_string
from unfold.sites import UnfoldAdminSite

from loyalty_portal.configuration import brand
from loyalty_portal.http.sessions import SECOND_FACTOR

# The theme uses Alpine, which compiles attribute texts to functions, and it writes style attributes
# and one <style> with its colours. The admin's pages allow these two. Inline scripts, frames and
# other hosts stay forbidden, as everywhere.
_relaxed = csp_update({"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]})

_PORTAL_ACCENT = "oklch(45.5% .165 264)"
# For each step of the theme's scale: the share of the accent, mixed with white or black.
_SCALE = {
    "50": (5, "white"),
    "100": (12, "white"),
    "200": (24, "white"),
    "300": (42, "white"),
    "400": (52, "white"),
    "500": (62, "white"),
    "600": (100, "white"),
    "700": (86, "black"),
    "800": (70, "black"),
    "900": (55, "black"),
    "950": (38, "black"),
}


class PortalAdminSite(UnfoldAdminSite):  # type: ignore[misc] # the theme carries no types
    """The admin site. Staff sign in on the portal's page, so its limits and second factor apply."""

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Add the desk and settings.ADMIN_PAGES. Put `r/` before Django's, which fails for types
        without a table and ids of other kinds.
        """
        ours = path(
            "r/<path:content_type_id>/<path:object_id>/",
            self.admin_view(_page_of),
            name="view_on_site",
        )
        desk = path("desk/", include("fulfillment.desk.urls"))
        pages = [page for name in settings.ADMIN_PAGES for page in import_string(name)()]
        return [ours, desk, *pages, *super().get_urls()]

    def admin_view(
        self, view: Callable[..., HttpResponse], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        return _relaxed(_or_led_away(super().admin_view(view, cacheable)))

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the search that settings.ADMIN_SEARCH names."""
        view: Callable[[HttpRequest], HttpResponse] = import_string(settings.ADMIN_SEARCH)
        return view(request)

    def login(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Redirect to the portal's sign-in; a form here would allow tries without a limit."""
        answer: HttpResponse = secure_admin_login(self._to_index)(request)
        return answer

    def logout(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return LogoutView.as_view(next_page="account_login")(request)

    def password_change(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Redirect to the portal's password page; a form here would allow tries without a limit."""
        return redirect("account_change_password")

    def _to_index(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:index")


def _or_led_away(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Lead whoever is not signed in as staff must be to another page, instead of showing this one.

    A script gets 401 and where to sign in, because it would put that page into its own. HTMX goes
    there, and back to the page afterwards. Staff whose session was not proved by a second factor
    are led to where they set one up.
    """

    def answer(request: HttpRequest, *args: Any, **named: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            if request.headers.get("HX-Request"):
                return _away(_sign_in_to(request))
        elif request.user.is_staff and SECOND_FACTOR not in request.session:
            set_up = resolve_url(settings.SECOND_FACTOR_URL)
            return _away(set_up) if request.headers.get("HX-Request") else redirect(set_up)
        return view(request, *args, **named)

    return wraps(view)(answer)


def _away(there: str) -> HttpResponse:
    return HttpResponse(status=401, headers={"HX-Redirect": there})


def _sign_in_to(request: HttpRequest) -> str:
    page, there = urlsplit(request.headers.get("HX-Current-URL", "")), reverse("admin:index")
    if page.path.startswith(there):
        there = urlunsplit(("", "", page.path, page.query, ""))
    return redirect_to_login(there)["Location"]


def _page_of(request: HttpRequest, content_type_id: str, object_id: str) -> HttpResponse:
    """Redirect to the page of an object; 404 when it has none."""
    try:
        model = ContentType.objects.get_for_id(int(content_type_id)).model_class()
        if hasattr(model, "get_absolute_url"):
            return shortcut(request, content_type_id, object_id)
    except (ValueError, ObjectDoesNotExist, ValidationError):
        pass
    raise Http404


def accent_scale(request: HttpRequest) -> dict[str, str]:
    """The theme's accent in eleven steps. Step 600 is the background of buttons with white text."""
    current = brand.current()
    accent = current.accent or _PORTAL_ACCENT
    if current.accent and current.on_accent != "#ffffff":
        accent = f"color-mix(in oklab, {accent} 55%, black)"
    return {
        step: f"color-mix(in oklab, {accent} {share}%, {other})"
        for step, (share, other) in _SCALE.items()
    }
