"""Replaces the code of functions that are loaded already, so that a mutant needs no new process."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType

Functions = Mapping[str, Sequence[FunctionType]]


class CannotPatchError(Exception):
    """The change is not inside of a function, or its function is not loaded."""


def loaded(root: Path) -> Functions:
    """All functions that are loaded from files below `root`, by the path of the file."""
    found: dict[str, list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is not FunctionType:  # isinstance would load what is lazy
            continue
        if each.__code__.co_filename.startswith(f"{root}/"):
            found[each.__code__.co_filename.removeprefix(f"{root}/")].append(each)
    return found


def patch(functions: Functions, path: str, before: str, after: str) -> None:
    """Give the functions of the file at `path` the code that they have in the text `after`.

    They were loaded from the text `before`. Raises CannotPatchError, and may then have changed some.
    """
    old, new = (compile(text, path, "exec", dont_inherit=True) for text in (before, after))
    if not _replace(functions.get(path, ()), old, new):
        raise CannotPatchError("the change is not inside of a loaded function")


def _replace(functions: Sequence[FunctionType], old: CodeType, new: CodeType) -> bool:
    """Replace this code, and that of the functions inside, where it changed. Returns whether every
    change has reached a function.
    """
    reached = True
    for each, other in _pairs(old, new):
        reached = _replace(functions, each, other) and reached
    if reached and _own(old) == _own(new):
        return True
    these = [function for function in functions if _key(function.__code__) == _key(old)]
    for function in these:
        try:
            function.__code__ = new
        except ValueError as error:  # it uses other variables of the function around it
            raise CannotPatchError(str(error)) from error
    return bool(these)


def _pairs(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    inside = [
        [each for each in code.co_consts if isinstance(each, CodeType)] for code in (old, new)
    ]
    names = [[each.co_name for each in codes] for codes in inside]
    if names[0] != names[1]:
        raise CannotPatchError("the functions inside are not the same")
    yield from zip(*inside, strict=True)


def _own(code: CodeType) -> tuple[object, ...]:
    """What the code does, without the functions inside and without line numbers."""
    consts = [(type(each), each) for each in code.co_consts if not isinstance(each, CodeType)]
    return code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars


def _key(code: CodeType) -> tuple[object, ...]:
    return code.co_qualname, code.co_firstlineno, code.co_code, code.co_names
