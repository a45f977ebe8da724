"""Converts HTML forms for the control API to the value types of a schema."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_portal.sandbox.problems import Json, invalid


def from_form(form: Mapping[str, object], schema: Json) -> Json:
    """Convert a form's texts; empty fields are left out. Raises 422 for an invalid number."""
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
