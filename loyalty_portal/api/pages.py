"""Arranges the OpenAPI document for the page of the reference."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Json = Mapping[str, Any]


class FieldTold(NamedTuple):
    """A parameter or a field: its name, its kind in a few words, and what it means."""

    name: str
    kind: str
    about: str


class OperationTold(NamedTuple):
    """One operation as the page shows it."""

    id: str
    method: str
    path: str
    title: str
    about: str
    scope: str
    parameters: Sequence[FieldTold]
    fields: Sequence[FieldTold]
    is_list: bool
    problems: Sequence[str]


class Reference(NamedTuple):
    """All operations by their tag."""

    title: str
    about: str
    groups: Mapping[str, Sequence[OperationTold]]

    @classmethod
    def of(cls, document: Json) -> "Reference":
        groups: dict[str, list[OperationTold]] = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                [tag, *_more] = operation.get("tags", [""])
                groups.setdefault(tag, []).append(_operation(document, path, method, operation))
        about = document["info"]
        return cls(about["title"], about["description"], groups)


def _operation(document: Json, path: str, method: str, operation: Json) -> OperationTold:
    schema = _answer(document, operation)
    is_list = "data" in schema.get("properties", {})
    if is_list:
        schema = _resolved(document, schema["properties"]["data"]["items"])
    about, _scope, _more = operation.get("description", "").partition("\n\nScope:")
    return OperationTold(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        title=operation["summary"],
        about=about,
        scope=operation.get("x-scope", ""),
        parameters=[_parameter(each) for each in operation["parameters"]],
        fields=list(_fields(document, schema)),
        is_list=is_list,
        problems=sorted(
            code
            for answer in operation["responses"].values()
            for code in answer["description"].split("`")[1::2]
        ),
    )


def _answer(document: Json, operation: Json) -> Json:
    content = operation["responses"]["200"].get("content", {})
    return _resolved(document, content.get("application/json", {}).get("schema", {}))


def _resolved(document: Json, schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Json = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _parameter(parameter: Json) -> FieldTold:
    kind = _kind(parameter["schema"])
    needed = " · required" if parameter["required"] and parameter["in"] != "path" else ""
    return FieldTold(parameter["name"], kind + needed, parameter.get("description", ""))


def _fields(document: Json, schema: Json) -> Iterator[FieldTold]:
    for name, each in schema.get("properties", {}).items():
        yield FieldTold(name, _kind(each), _resolved(document, each).get("description", ""))


def _kind(schema: Json) -> str:
    """The kind of a value in a few words, such as "string (uuid) or null"."""
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = str(schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
