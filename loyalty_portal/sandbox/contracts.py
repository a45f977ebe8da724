"""Validates requests against the published contracts in docs/contracts."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from loyalty_portal.sandbox.problems import Json, invalid

FOLDER = Path(__file__).parents[2] / "docs" / "contracts"
FORMATS = FormatChecker()


class Contract:
    """One OpenAPI 3.1 document with its schemas."""

    def __init__(self, name: str) -> None:
        self.document: Json = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
        self._validators: dict[str, Draft202012Validator] = {}

    def schema(self, name: str) -> Json:
        return cast("Json", self._resolve(self.document["components"]["schemas"][name]))

    def check(self, name: str, body: object) -> None:
        """Validate a body. Raises 422 `invalid_request` with the place and the reason."""
        if name not in self._validators:
            self._validators[name] = Draft202012Validator(self.schema(name), format_checker=FORMATS)
        check(self._validators[name], body)

    def _resolve(self, node: object) -> object:
        """Replace each `$ref` by its target. This ends because no schema here refers to itself."""
        if isinstance(node, list):
            return [self._resolve(part) for part in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            return self._resolve(target)
        return {key: self._resolve(value) for key, value in node.items()}


def check(validator: Draft202012Validator, body: object) -> None:
    """Validate a body. Raises 422 `invalid_request` with the field's name, never its value."""
    if validator.is_valid(body):
        return
    error = best_match(validator.iter_errors(body))
    place = "/".join(str(step) for step in error.absolute_path) or "the body"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        raise invalid(f"{place}: {', '.join(missing)} must be given.")
    raise invalid(f"{place}: does not match {error.validator} {error.validator_value!r}.")
