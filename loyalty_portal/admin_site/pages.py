"""Pages of our own in the frame of the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.functional import Promise


def own_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    title: str | Promise,
    status: int = 200,
) -> TemplateResponse:
    """The page of this template, with the menu and whatever else each page of the admin has."""
    request.current_app = admin.site.name
    facts = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, template, facts, status=status)
