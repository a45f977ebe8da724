"""Finds what a new OpenAPI document takes away from an old one: version 1 only grows.

Looked at are addresses, methods, parameters, fields, their kinds, known values, and inputs that are
needed or limited. Clients are told that further values and fields may come.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

Json = Mapping[str, Any]
_VALUES = ("enum", "x-extensible-enum")
_MOST = ("maximum", "maxLength", "maxItems")
_LEAST = ("minimum", "minLength", "minItems")


def taken_away(old: Json, new: Json) -> list[str]:
    """One sentence for each promise of `old` that `new` does not keep."""
    found: list[str] = []
    for path, methods in old["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            now = new["paths"].get(path, {}).get(method)
            if now is None:
                found.append(f"{name} is gone.")
            else:
                found += _Operations(old, new, name).compared(operation, now)
    return found


class _Operations:
    """Compares one operation of two documents."""

    def __init__(self, old: Json, new: Json, name: str) -> None:
        self._old, self._new, self._name = old, new, name
        self._seen: set[tuple[str, bool]] = set()

    def compared(self, old: Json, new: Json) -> Iterator[str]:
        yield from self._parameters(old, new)
        yield from self._bodies(old.get("requestBody", {}), new.get("requestBody", {}))
        for status, answer in old["responses"].items():
            if status not in new["responses"]:
                yield f"{self._name} does not answer {status} any more."
                continue
            for kind, content in answer.get("content", {}).items():
                now = new["responses"][status].get("content", {}).get(kind)
                if now is None:
                    yield f"{self._name} answers {status} without {kind}."
                else:
                    where = f"{self._name} → {status}"
                    yield from self._schemas(where, content["schema"], now["schema"], sent=False)

    def _parameters(self, old: Json, new: Json) -> Iterator[str]:
        before = {(each["in"], each["name"]): each for each in old["parameters"]}
        now = {(each["in"], each["name"]): each for each in new["parameters"]}
        for key, each in before.items():
            where = f"{self._name}, parameter {key[1]}"
            if key not in now:
                yield f"{where} is gone."
            else:
                yield from self._schemas(where, each["schema"], now[key]["schema"], sent=True)
        for key, each in now.items():
            if each["required"] and not before.get(key, {"required": False})["required"]:
                yield f"{self._name}, parameter {key[1]} is needed now."

    def _bodies(self, old: Json, new: Json) -> Iterator[str]:
        if new.get("required") and not old.get("required"):
            yield f"{self._name} needs a body now."
        for kind, content in old.get("content", {}).items():
            now = new.get("content", {}).get(kind)
            if now is None:
                yield f"{self._name} takes no {kind} any more."
            else:
                where = f"{self._name}, body"
                yield from self._schemas(where, content["schema"], now["schema"], sent=True)

    def _schemas(self, where: str, old: Json, new: Json, *, sent: bool) -> Iterator[str]:
        """Compare two schemas; `sent`: of a request, so each further need breaks a promise."""
        key = (str(old), sent)
        if "$ref" in old and key in self._seen:
            return
        self._seen.add(key)
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        if _kinds(old) != _kinds(new):
            yield f"{where} is another kind of value."
            return
        for name in _VALUES:
            for value in old.get(name, ()):
                if value not in new.get(name, ()):
                    yield f"{where} does not know {value} any more."
        if sent and _is_narrower(old, new):
            yield f"{where} takes less than before."
        yield from self._fields(where, old, new, sent=sent)
        pairs = zip(old.get("anyOf", ()), new.get("anyOf", ()), strict=False)
        for before, now in [*pairs, (old.get("items"), new.get("items"))]:
            if before is not None and now is not None:
                yield from self._schemas(where, before, now, sent=sent)

    def _fields(self, where: str, old: Json, new: Json, *, sent: bool) -> Iterator[str]:
        fields = new.get("properties", {})
        for name, each in old.get("properties", {}).items():
            if name not in fields:
                yield f"{where}/{name} is gone."
            else:
                yield from self._schemas(f"{where}/{name}", each, fields[name], sent=sent)
        before, now = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(
            now - before if sent else (before & old.get("properties", {}).keys()) - now
        ):
            yield f"{where}/{name} is needed now." if sent else f"{where}/{name} may be missing."


def _resolved(document: Json, schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Json = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _is_narrower(old: Json, new: Json) -> bool:
    """Whether a limit of what may be sent is new or tighter."""
    most = any(new[name] < old.get(name, inf) for name in _MOST if name in new)
    least = any(new[name] > old.get(name, -inf) for name in _LEAST if name in new)
    return most or least or ("enum" in new and "enum" not in old)


def _kinds(schema: Json) -> list[str]:
    """What kinds of values a schema allows, whatever its name is."""
    parts = schema.get("anyOf", [schema])
    return sorted(str(each.get("type", "object")) + str(each.get("format", "")) for each in parts)
