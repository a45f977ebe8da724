"""Accepts forms of more fields than `DATA_UPLOAD_MAX_NUMBER_FIELDS`, for single views."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt, csrf_protect

View = Callable[..., HttpResponse]
AS_BROWSERS_SEND = "application/x-www-form-urlencoded"


def with_many_fields(most: int, *, otherwise: View) -> Callable[[View], View]:
    """Decorate a view whose form has up to `most` fields. Every other form keeps its limit.

    The form is sent as browsers do by default; one of another type keeps the limit. `otherwise`
    answers, instead of the view, a form of still more fields, or of more bytes than
    `DATA_UPLOAD_MAX_MEMORY_SIZE`; it gets no field.
    """

    def decorate(view: View) -> View:
        # Django's check of the token reads the form with the limit of all forms. So it is put off
        # until the form is read here, and then done for the view.
        guarded = csrf_protect(view)

        @csrf_exempt
        @wraps(view)
        def read_first(request: HttpRequest, **given: Any) -> HttpResponse:
            if request.method == "POST" and request.content_type == AS_BROWSERS_SEND:
                form = _read(request, most)
                request.POST = form or QueryDict()  # type: ignore[assignment]  # of the stubs
                if form is None:
                    return otherwise(request, **given)
            return guarded(request, **given)

        return read_first

    return decorate


def _read(request: HttpRequest, most: int) -> QueryDict | None:
    """The form; None when it is too large."""
    form = QueryDict(mutable=True)
    try:
        body = request.body.decode("utf-8", errors="replace")
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=most)
    except (RequestDataTooBig, ValueError):  # the latter: too many fields
        return None
    for name, value in pairs:
        form.appendlist(name, value)
    return form
