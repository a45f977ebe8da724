"""Pages for developers: what the operations are, and what each kind of problem means."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from loyalty_portal.api.pages import Reference
from loyalty_portal.api.problems import DOCS, KINDS


@require_GET
def docs(request: HttpRequest, api: Any) -> HttpResponse:
    """The reference of all operations, made from the document."""
    facts = {"reference": Reference.of(api.document), "kinds": KINDS, "docs": DOCS}
    return render(request, "api/docs.html", facts)


@require_GET
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """What a kind of problem means, and what the caller can do."""
    if code not in KINDS:
        raise Http404
    facts = {"code": code, "kind": KINDS[code], "docs": DOCS}
    return render(request, "api/problem.html", facts)
