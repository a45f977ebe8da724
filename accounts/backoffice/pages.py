"""Pages with one form of the back office about companies and people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.forms import Form
from django.http import HttpRequest
from django.template.response import TemplateResponse

from loyalty_portal.admin_site.verbs import Act


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a page with one form says: its title, what it is about, sentences, and the button."""

    title: str
    about: str
    back: str
    sentences: Sequence[str]
    label: Any


def form_page(
    admin: ModelAdmin[Any], request: HttpRequest, sheet: Sheet, form: Form
) -> TemplateResponse:
    """Render the page; a form that was refused has the status 422."""
    request.current_app = admin.admin_site.name
    facts = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "media": admin.media,
        "title": sheet.title,
        "sheet": sheet,
        "act": Act(label=sheet.label, href="", form=form, tried=form.is_bound),
    }
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, "admin/accounts/form_page.html", facts, status=status)
