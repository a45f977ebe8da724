"""The bodies of calls to partners as staff may read them: without secrets, and without people for
those who do not work with deliveries.
"""

import json
from typing import Any

HIDDEN = "•••"
_SECRETS = frozenset(
    {"code", "pin", "url", "deliverables", "token", "secret", "password", "authorization"}
)
_PEOPLE = frozenset({"recipient", "name", "email", "phone", "message"})


def masked(body: str, *, people: bool) -> str:
    """A JSON body on one line. Secrets are hidden from everybody, people unless `people`. A text
    that is no JSON is hidden as a whole.
    """
    if not body:
        return ""
    try:
        read = json.loads(body)
    except ValueError:
        return HIDDEN
    hidden = _SECRETS if people else _SECRETS | _PEOPLE
    return json.dumps(_without(read, hidden), ensure_ascii=False)


def _without(value: Any, hidden: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            name: HIDDEN if name.lower() in hidden else _without(each, hidden)
            for name, each in value.items()
        }
    return [_without(each, hidden) for each in value] if isinstance(value, list) else value
