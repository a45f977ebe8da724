"""Checks JSON bodies against our copies of the contracts (docs/contracts)."""

import functools
from typing import Any

import yaml
from django.conf import settings
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_FORMATS = FormatChecker()


class Contract:
    """An OpenAPI 3.1 document: `loyalty-api` or `fulfillment-api`."""

    def __init__(self, name: str) -> None:
        path = settings.BASE_DIR / "docs" / "contracts" / f"{name}.yaml"
        document = yaml.safe_load(path.read_text("utf-8"))
        self._registry: Registry[Any] = Registry().with_resource(
            "urn:contract", DRAFT202012.create_resource(document)
        )

    def fault(self, place: str, body: object) -> str:
        """Check `body` against the schema at `place` (a JSON pointer). Returns the error, or "".

        The text names the field and the rule, never the value.
        """
        error = best_match(self._validator(place).iter_errors(body))
        if error is None:
            return ""
        where = "/".join(str(step) for step in error.absolute_path) or "the body"
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return f"{where}: {', '.join(missing)} is missing"
        return f"{where}: does not match {error.validator} {error.validator_value!r}"

    @functools.cache  # noqa: B019 - two contracts, a few schemas, one command
    def _validator(self, place: str) -> Draft202012Validator:
        schema = {"$ref": f"urn:contract#{place}"}
        return Draft202012Validator(schema, registry=self._registry, format_checker=_FORMATS)


def schema(name: str) -> str:
    """The JSON pointer of a schema in the contract's components."""
    return f"/components/schemas/{name}"


def answer(path: str, status: int = 200) -> str:
    """The JSON pointer of the schema of the response to a GET."""
    escaped = path.replace("~", "~0").replace("/", "~1")
    return f"/paths/{escaped}/get/responses/{status}/content/application~1json/schema"
