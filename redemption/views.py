"""What every page of the portal shows."""

from typing import Any

from django.http import HttpRequest


def header_context(request: HttpRequest) -> dict[str, Any]:
    return {}
