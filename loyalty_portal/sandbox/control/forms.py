"""HTML forms for the control API: the texts of a form as the values that a schema asks for."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_portal.sandbox.problems import Json, invalid


def from_form(form: Mapping[str, object], schema: Json) -> Json:
    """Leaves out what was left empty. Raises 422 where a number is none."""
    return {
        name: _value(name, str(text).strip(), schema.get("properties", {}).get(name, {}))
        for name, text in form.items()
        if str(text).strip()
    }


def _value(name: str, text: str, wanted: Json) -> object:
    types = wanted.get("type", "string")
    types = [types] if isinstance(types, str) else types
    try:
        if "boolean" in types:
            return text in ("on", "true")
        if "integer" in types:
            return int(text)
        if "number" in types:
            return float(text)
    except ValueError:
        raise invalid(f"{name}: must be a number.") from None
    return text
