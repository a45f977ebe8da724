"""Makes the examples of the document out of what its schemas say of each field.

A field says its own with `examples`. Ids, times, days, yes or no, and values of a list need none.
"""

from collections.abc import Mapping
from typing import Any

from loyalty_portal.api.problems import KINDS, problem_address

Json = Mapping[str, Any]
_FORMATS = {
    "uuid": "01a21c1a-1cbc-7201-8d2c-7fa7811a457d",
    "date-time": "2026-11-27T08:15:30.123456Z",
    "date": "2027-03-31",
}
_VALUES = ("enum", "x-extensible-enum")
_MISTAKE = {
    "part": "body",
    "pointer": "/lines/0/quantity",
    "code": "int_type",
    "detail": "This must be a whole number.",
}


class NoExampleError(Exception):
    """A field of the API has no example. The text names it."""


class Examples:
    """Makes an example of any schema of a document, out of the examples of its fields."""

    def __init__(self, schemas: Json) -> None:
        """`schemas`: those that others refer to, by their names."""
        self._schemas = schemas

    def of(self, schema: Json, where: str) -> Any:
        """An example of a schema. `where` names it. Raises NoExampleError."""
        if "examples" in schema:
            return schema["examples"][0]
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self.of(self._schemas[name], name)
        for key in _VALUES:
            if key in schema:
                return schema[key][0]
        if "anyOf" in schema:
            return self.of(schema["anyOf"][0], where)
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        return self._by_type(schema, where)

    def _by_type(self, schema: Json, where: str) -> Any:
        match schema.get("type"):
            case "object" if "properties" in schema:
                return self._fields(schema, where)
            case "array":
                return [self.of(schema["items"], where)]
            case "boolean":
                return False
        raise NoExampleError(f"{where} needs an example.")

    def _fields(self, schema: Json, where: str) -> dict[str, Any]:
        """Of each field that is always there, and of others that say an example."""
        needed = schema.get("required", ())
        return {
            name: self.of(each, f"{where}.{name}")
            for name, each in schema["properties"].items()
            if name in needed or "examples" in each
        }


def problem_examples() -> dict[str, Any]:
    """An example of each kind of problem, by its code, as the document's components have them."""
    return {
        code: {
            "summary": str(kind.title),
            "value": {
                "type": problem_address(code),
                "title": str(kind.title),
                "status": kind.status,
                "detail": str(kind.advice),
                "code": code,
                "request_id": "01a21c1a1cbc72018d2c7fa7811a457d",
                "errors": [_MISTAKE] if code == "invalid" else [],
            },
        }
        for code, kind in KINDS.items()
    }
