"""The content security policy of each answer."""

from typing import Any

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase


class ContentPolicyMiddleware(CSPMiddleware):
    """The library's, which puts the policy together anew for each answer.

    A page of the portal has the settings' policy as it is, so that one is made once: it costs
    one part in thirty of a catalogue page. Answers with a policy of their own (the admin's), and
    Django's pages for the developer, stay the library's matter.
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
