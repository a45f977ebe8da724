"""What a page of the portal may load: its own files, and nothing of others."""

from typing import Any

from csp.constants import NONE, SELF


def policy(static_host: str) -> dict[str, Any]:
    """The setting CONTENT_SECURITY_POLICY. `static_host` is the CDN of our files, or ""."""
    ours = [SELF, static_host] if static_host else [SELF]
    return {
        "DIRECTIVES": {
            "default-src": [NONE],
            "script-src": ours,
            "style-src": ours,
            "img-src": [*ours, "data:"],
            "font-src": ours,
            "connect-src": [SELF],
            "manifest-src": [SELF],
            "form-action": [SELF],
            "base-uri": [NONE],
            "frame-ancestors": [NONE],
        }
    }
