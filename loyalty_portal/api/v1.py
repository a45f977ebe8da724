"""Version 1 of the API: whose operations it has, by the names in settings, and its addresses."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path
from django.utils.module_loading import import_string
from ninja.security import HttpBearer

from loyalty_portal.api import views
from loyalty_portal.api.calls import ApiCaller
from loyalty_portal.api.limits import count_call
from loyalty_portal.api.portal_api import PortalAPI

DESCRIPTION = """Redeem points, watch orders and reconcile, from a company's own systems.

Ids are UUIDs, an order is also found by its number. Times are RFC 3339 in UTC, points are whole
numbers. What is absent is null, never missing. Statuses are those of the portal; more may come, so
be ready for values that you do not know. Version 1 only grows."""


class _Bearer(HttpBearer):
    """Asks the function that settings.API_CALLER names who calls, and counts the call."""

    def __call__(self, request: HttpRequest) -> Any:
        caller: ApiCaller = import_string(settings.API_CALLER)(request)
        count_call(request, caller.actor, caller.counted_as)
        return caller

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        raise NotImplementedError


def _made() -> PortalAPI:
    made = PortalAPI(title="Redemption API", version="1", description=DESCRIPTION, auth=_Bearer())
    for prefix, router in settings.API_ROUTERS:
        made.add_router(prefix, router)
    return made


api = _made()
urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/docs", views.docs, {"api": api}, name="api_docs"),
    path("v1/docs/problems/<slug:code>", views.problem, name="api_problem"),
    path("v1/", api.urls),
]
