"""The OpenAPI document: valid, committed as it is, and version 1 only grows."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from openapi_spec_validator import OpenAPIV31SpecValidator

from loyalty_portal.api.examples import Examples, NoExampleError
from loyalty_portal.api.growth import taken_away
from loyalty_portal.api.problems import CONTENT_TYPE, KINDS
from tests.loyalty_portal.api.calls import must_fit

Change = Callable[[dict[str, Any]], Any]
NONE: dict[str, Any] = {"responses": {}}
FILE = settings.BASE_DIR / "docs/api/openapi-v1.json"


def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def test_the_committed_document_is_the_apis_and_valid() -> None:
    call_command("api_schema", "--check")
    document = committed()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


class Content(NamedTuple):
    """What an operation takes or answers: its media type, its schema and its examples."""

    where: str
    kind: str
    schema: dict[str, Any]
    examples: dict[str, Any]  # by their names


def contents(document: dict[str, Any]) -> Iterator[Content]:
    """All bodies of a document, those of problems too."""
    shared = document["components"]["examples"]
    for methods in document["paths"].values():
        for one in methods.values():
            parts = {"body": one.get("requestBody", {}), **one["responses"]}
            for name, part in parts.items():
                for kind, content in part.get("content", {}).items():
                    named = {
                        key: shared[each["$ref"].rpartition("/")[2]]["value"]
                        for key, each in content.get("examples", {}).items()
                    }
                    told = named or {"": content["example"]}
                    yield Content(f"{one['operationId']} {name}", kind, content["schema"], told)


def test_each_body_and_answer_has_an_example_that_its_schema_allows() -> None:
    document = committed()
    bodies = list(contents(document))
    assert len(bodies) > 300
    for content in bodies:
        assert content.examples, content.where
        for name, example in content.examples.items():
            assert must_fit(content.schema, example) == [], (content.where, name)
    for methods in document["paths"].values():
        for one in methods.values():
            for each in one["parameters"]:
                if each["required"]:
                    assert must_fit(each["schema"], each["example"]) == [], one["operationId"]


def test_each_problem_that_an_operation_names_is_of_the_status_and_shown() -> None:
    document = committed()
    problems = [content for content in contents(document) if content.kind == CONTENT_TYPE]
    assert len(problems) > 200
    for content in problems:
        status = int(content.where.rpartition(" ")[2])
        for code, example in content.examples.items():
            assert (KINDS[code].status, example["code"]) == (status, code), content.where
    named = {code for content in problems for code in content.examples}
    # The address has no such operation, and those of the sign-in are none of version 1.
    elsewhere = {"second_step_required", "credentials_refused", "already_signed_in"}
    assert KINDS.keys() - named == {"method_not_allowed", *elsewhere}


def test_each_operation_that_changes_something_is_done_once_or_only_as_the_caller_knows_it() -> (
    None
):
    """These POSTs change nothing, or are to be recorded each time."""
    told_each_time = {"previewOrder", "revealCodes"}
    for methods in committed()["paths"].values():
        for method, one in methods.items():
            named = {each["name"]: each["required"] for each in one["parameters"]}
            keyed = method == "post" and one["operationId"] not in told_each_time
            assert named.get("Idempotency-Key", False) == keyed, one["operationId"]
            assert ("If-Match" in named) or method != "patch", one["operationId"]
            assert ("If-None-Match" not in named) or method == "get", one["operationId"]


def test_what_an_operation_makes_can_be_got_where_its_location_says() -> None:
    paths = committed()["paths"]
    made = [
        path for path, methods in paths.items() if "201" in methods.get("post", NONE)["responses"]
    ]
    assert len(made) == 4
    for path in made:
        each = re.compile(rf"{path}/{{\w+}}")
        [one] = [methods for found, methods in paths.items() if each.fullmatch(found)]
        assert "get" in one, path


def test_a_field_without_an_example_is_named() -> None:
    schemas = committed()["components"]["schemas"]
    schemas["MeTold"]["properties"]["nickname"] = {"type": "string"}
    schemas["MeTold"]["required"].append("nickname")
    with pytest.raises(NoExampleError, match=r"MeTold\.nickname needs an example"):
        Examples(schemas).of({"$ref": "#/components/schemas/MeTold"}, "getMe 200")


def operation(document: dict[str, Any], path: str, method: str = "get") -> Any:
    return document["paths"][f"/api/v1{path}"][method]


def schema(document: dict[str, Any], name: str) -> Any:
    return document["components"]["schemas"][name]


BREAKS: list[tuple[str, Change]] = [
    ("GET /api/v1/me is gone.", lambda d: d["paths"].pop("/api/v1/me")),
    ("POST /api/v1/orders is gone.", lambda d: d["paths"]["/api/v1/orders"].pop("post")),
    ("parameter limit is gone.", lambda d: operation(d, "/orders")["parameters"].pop(0)),
    (
        "parameter status is needed now.",
        lambda d: operation(d, "/orders")["parameters"][2].update(required=True),
    ),
    ("→ 200/email is gone.", lambda d: schema(d, "MeTold")["properties"].pop("email")),
    ("→ 200/email may be missing.", lambda d: schema(d, "MeTold")["required"].remove("email")),
    ("body/note is gone.", lambda d: schema(d, "OrderEntered")["properties"].pop("note")),
    ("body/note is needed now.", lambda d: schema(d, "OrderEntered")["required"].append("note")),
    (
        "body/lines/sku is another kind of value.",
        lambda d: schema(d, "LineEntered")["properties"]["sku"].update(type="integer"),
    ),
    (
        "→ 200/status does not know EXPIRED any more.",
        lambda d: schema(d, "OrderTold")["properties"]["status"]["x-extensible-enum"].remove(
            "EXPIRED"
        ),
    ),
    (
        "parameter status does not know EXPIRED any more.",
        lambda d: operation(d, "/orders")["parameters"][2]["schema"]["items"]["enum"].remove(
            "EXPIRED"
        ),
    ),
    (
        "body/lines/recipient/city is needed now.",
        lambda d: schema(d, "RecipientEntered")["required"].append("city"),
    ),
    (
        "POST /api/v1/orders/{order}/approve needs a body now.",
        lambda d: operation(d, "/orders/{order}/approve", "post").update(
            requestBody={"required": True, "content": {}}
        ),
    ),
    (
        "GET /api/v1/orders/{order} does not answer 304 any more.",
        lambda d: operation(d, "/orders/{order}")["responses"].pop("304"),
    ),
    (
        "body/reference takes less than before.",
        lambda d: schema(d, "OrderEntered")["properties"]["reference"].update(maxLength=10),
    ),
    (
        "body/lines/quantity takes less than before.",
        lambda d: schema(d, "LineEntered")["properties"]["quantity"].update(minimum=2),
    ),
    (
        "body/lines/sku takes less than before.",
        lambda d: schema(d, "LineEntered")["properties"]["sku"].update(enum=["MUG-01"]),
    ),
    (
        "→ 200/data/status does not know UNKNOWN any more.",
        lambda d: schema(d, "TransactionTold")["properties"]["status"]["x-extensible-enum"].remove(
            "UNKNOWN"
        ),
    ),
]


@pytest.mark.parametrize(("told", "change"), BREAKS, ids=[told for told, _change in BREAKS])
def test_what_is_taken_away_is_found(told: str, change: Change) -> None:
    old, new = committed(), committed()
    change(new)
    assert any(told in each for each in taken_away(old, new)), taken_away(old, new)


def test_the_command_writes_no_document_that_takes_something_away(
    tmp_path: Path, settings: Any
) -> None:
    old = committed()
    old["paths"]["/api/v1/former"] = old["paths"]["/api/v1/me"]
    file = tmp_path / "docs/api/openapi-v1.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(old))
    settings.BASE_DIR = tmp_path
    for options in ((), ("--check",)):
        with pytest.raises(CommandError, match=r"GET /api/v1/former is gone\."):
            call_command("api_schema", *options)
    assert json.loads(file.read_text()) == old


def test_what_is_added_takes_nothing_away() -> None:
    old, new = committed(), committed()
    new["paths"]["/api/v1/news"] = copy.deepcopy(new["paths"]["/api/v1/me"])
    schema(new, "MeTold")["properties"]["nickname"] = {"type": "string"}
    schema(new, "OrderEntered")["properties"]["nickname"] = {"type": "string", "default": ""}
    schema(new, "OrderTold")["properties"]["status"]["x-extensible-enum"].append("PAUSED")
    schema(new, "OrderEntered")["properties"]["reference"].update(maxLength=1000)
    operation(new, "/orders")["parameters"].append(
        {"in": "query", "name": "sku", "required": False, "schema": {"type": "string"}}
    )
    assert taken_away(old, new) == []
