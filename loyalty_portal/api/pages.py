"""Arranges the OpenAPI document for the page of the reference."""

import re
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
    sent: Mapping[str, Sequence[FieldTold]]  # the body and what it has, by name
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
        return cls(about["title"], _flowing(about["description"]), groups)


def _flowing(text: str) -> str:
    """The text without the line breaks of the source code; paragraphs stay."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)


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
        about=_flowing(about),
        scope=operation.get("x-scope", ""),
        parameters=[_parameter(each) for each in operation["parameters"]],
        sent=_sent(document, operation),
        fields=list(_fields(document, schema)),
        is_list=is_list,
        problems=sorted(
            code
            for answer in operation["responses"].values()
            for code in answer["description"].split("`")[1::2]
        ),
    )


def _sent(document: Json, operation: Json) -> Mapping[str, Sequence[FieldTold]]:
    """The body of a request and the objects in it, each with its fields."""
    content = operation.get("requestBody", {}).get("content", {})
    found: dict[str, Sequence[FieldTold]] = {}
    waiting = [content["application/json"]["schema"]] if content else []
    for schema in waiting:
        name = _kind(schema)
        body = _resolved(document, schema)
        found[name] = list(_fields(document, body, is_sent=True))
        inner = [each.get("items", each) for each in body.get("properties", {}).values()]
        waiting += [each for each in inner if "$ref" in each and _kind(each) not in found]
    return found


def _answer(document: Json, operation: Json) -> Json:
    [answer] = [said for status, said in operation["responses"].items() if status[0] == "2"]
    content = answer.get("content", {})
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


def _fields(document: Json, schema: Json, *, is_sent: bool = False) -> Iterator[FieldTold]:
    for name, each in schema.get("properties", {}).items():
        needed = " · required" if name in schema.get("required", ()) and is_sent else ""
        about = each.get("description") or _resolved(document, each).get("description", "")
        yield FieldTold(name, _kind(each) + needed, about)


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
