"""Sends the content security policy with each response."""

from typing import Any

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase


class ContentPolicyMiddleware(CSPMiddleware):
    """django-csp's middleware with a cached header for the common case.

    The library builds the header for each response, which costs a thirtieth of a catalogue page.
    Portal pages all have the policy of the settings. Responses with their own policy (the admin's)
    and Django's debug pages still use the library's code.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._policy = build_policy()

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if settings.DEBUG or hasattr(response, "_csp_update"):
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self._policy)
        return response
