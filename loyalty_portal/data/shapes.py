"""Fingerprints of a type's fields, for use in cache keys.

During a deploy the old and the new version share one cache. A pickle may store values without field
names, so the other version would read them into the wrong fields. With the fingerprint in the key
each version finds only values with its own fields.
"""

import functools
import hashlib
import typing
from dataclasses import fields, is_dataclass
from typing import Any


@functools.cache
def shape_of(kind: Any) -> str:
    """A short text that changes when the fields of `kind`, or their types, change.

    `kind` is any type hint. Dataclasses, named tuples and models inside it count too.
    """
    described = _described(kind, frozenset())
    return hashlib.blake2b(described.encode(), digest_size=6).hexdigest()


def _described(kind: Any, inside: frozenset[Any]) -> str:
    """Describe a type. `inside` holds the types being described, to stop at recursive types. A
    pickle names the module of a class, so a class that moves is another one.
    """
    name = f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)
    parts = typing.get_args(kind)
    if parts:
        return f"{typing.get_origin(kind)}[{','.join(_described(part, inside) for part in parts)}]"
    if not isinstance(kind, type) or kind in inside:
        return str(name)
    held = _fields_of(kind, inside | {kind})
    return f"{name}({','.join(held)})" if held else name


def _fields_of(kind: Any, inside: frozenset[Any]) -> list[str]:
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        names = list(kind._fields)
    elif hasattr(kind, "_meta"):
        columns = kind._meta.concrete_fields
        return [f"{column.attname}:{type(column).__qualname__}" for column in columns]
    else:
        return []
    hints = typing.get_type_hints(kind)
    return [f"{name}:{_described(hints[name], inside)}" for name in names]
