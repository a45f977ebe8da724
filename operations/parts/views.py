"""The page of the parts: what pages are made of, rendered from the templates in use.

It is for whoever builds pages, so it is there with DEBUG only, and everywhere else unknown. All
that it shows is made up, and it reads no row of a table.
"""

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from operations.parts import back_office as office
from operations.parts import samples
from operations.parts.people import BALANCES, buyer, frame


def _for_builders(
    view: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """404 without `settings.SHOW_PARTS`."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not settings.SHOW_PARTS:
            raise Http404
        return view(request)

    return wraps(view)(answer)


@_for_builders
@require_safe
def portal(request: HttpRequest) -> HttpResponse:
    """The portal's parts. `?balance=` chooses how the header knows the balance (BALANCES)."""
    asked = request.GET.get("balance", "")
    balance = asked if asked in BALANCES else next(iter(BALANCES))
    around = frame(request, balance)
    context = {**around, **samples.shown(buyer()), "balance": balance}
    return render(request, "operations/parts.html", context)


def _office(request: HttpRequest) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": _("The back office's parts"),
        **office.shown(),
    }
    return TemplateResponse(request, "admin/operations/parts.html", context)


@_for_builders
@require_safe
def back_office(request: HttpRequest) -> HttpResponseBase:
    """The back office's parts, in the frame of the member of staff who looks."""
    answer: HttpResponseBase = admin.site.admin_view(_office)(request)
    return answer
