"""What ships the log: rsyslog with its real configuration, and the files for what is not run here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from loyalty_portal.configuration.logs import EcsLines
from loyalty_portal.configuration.observability.origin import belonging_to
from tests.production.logs.elasticsearch import Elasticsearch
from tests.production.logs.shipping import LOGS, needs_rsyslog, shipped
from tests.support.waiting import eventually

STREAM = "logs-portal-default"
Ship = Callable[[str], Elasticsearch]


@pytest.fixture
def ship(tmp_path: Path) -> Iterator[Ship]:
    """Run rsyslog with a configuration, on the files of a folder, into an Elasticsearch."""
    with ExitStack() as stack:

        def run(configuration: str) -> Elasticsearch:
            return stack.enter_context(shipped(tmp_path, tmp_path, configuration))

        yield run


def lines(count: int) -> list[str]:
    told = []
    for number in range(count):
        record = logging.getLogger("access").makeRecord(
            "access", logging.INFO, __file__, 1, "request", (), None,
            extra={"route": "order", "status": 200, "duration_ms": 3.5, "n": number},
        )  # fmt: skip
        with belonging_to(f"click-{number:04d}"):
            told.append(EcsLines().format(record))
    return told


@needs_rsyslog
def test_rsyslog_ships_each_line_once(ship: Ship, tmp_path: Path) -> None:
    whole = lines(299)
    (tmp_path / "web.log").write_text("\n".join([*whole, "Traceback (most recent call last):", ""]))
    store = ship((LOGS / "rsyslog.conf").read_text())

    eventually(lambda: len(store.lines) >= 300, "all lines have arrived")
    assert store.refused == []
    assert store.streams == {STREAM}
    arrived = list(store.lines.values())
    numbers = sorted(each["portal.n"] for each in arrived if "portal.n" in each)
    assert numbers == list(range(299))
    first = next(each for each in arrived if each.get("portal.n") == 0)
    assert first == json.loads(whole[0])
    [other] = [each for each in arrived if "portal.n" not in each]
    assert other["message"] == "Traceback (most recent call last):"


@needs_rsyslog
def test_with_the_default_of_its_type_elasticsearch_8_would_refuse_all(
    ship: Ship, tmp_path: Path
) -> None:
    (tmp_path / "web.log").write_text("\n".join([*lines(5), ""]))
    configuration = (LOGS / "rsyslog.conf").read_text()
    store = ship(configuration.replace('searchType=""', ""))

    eventually(lambda: store.refused, "the first bulk is refused")
    assert "_type" in store.refused[0]
    assert store.lines == {}


def read(name: str) -> Any:
    text = (LOGS / name).read_text()
    return yaml.safe_load(text) if name.endswith((".yml", ".yaml")) else json.loads(text)


def test_the_templates_are_for_the_stream_that_all_write_to() -> None:
    for name in ("index-template.json", "index-template-opensearch.json"):
        template = read(name)
        assert template["index_patterns"] == ["logs-portal-*"]
        assert template["data_stream"] == {}
    policy = read("index-template.json")["template"]["settings"]["index.lifecycle.name"]
    assert f"_ilm/policy/{policy}" in (LOGS / "README.md").read_text()
    assert read("filebeat.yml")["output.elasticsearch"]["index"] == STREAM
    stream = read("vector.yaml")["sinks"]["elasticsearch"]["data_stream"]
    assert f"{stream['type']}-{stream['dataset']}-{stream['namespace']}" == STREAM
    assert (LOGS / "rsyslog.conf").read_text().count(f'searchIndex="{STREAM}"') == 2


def test_lines_are_kept_for_thirty_days() -> None:
    phases = read("ilm-policy.json")["policy"]["phases"]
    assert (phases["delete"]["min_age"], phases["delete"]["actions"]) == ("30d", {"delete": {}})
    states = {
        state["name"]: state for state in read("ism-policy-opensearch.json")["policy"]["states"]
    }
    [move] = states["hot"]["transitions"]
    assert move["conditions"] == {"min_rollover_age": "30d"}
    assert states[move["state_name"]]["actions"] == [{"delete": {}}]


# Vector, Filebeat and OpenTelemetry's collector have no checker here, so their shape is checked.


def fits_vector(vector: Any) -> bool:
    """Each part takes its lines from a part that there is."""
    made = vector["sources"].keys() | vector["transforms"].keys()
    parts = (*vector["transforms"].values(), *vector["sinks"].values())
    return all(part.get("inputs") and set(part["inputs"]) <= made for part in parts)


def fits_filebeat(filebeat: Any) -> bool:
    [source] = filebeat.get("filebeat.inputs", [{}])
    return [next(iter(parser)) for parser in source.get("parsers", [])] == ["container", "ndjson"]


def fits_collector(collector: Any) -> bool:
    """The pipeline has each part that is defined, and its limit of memory first, as its
    documentation asks.
    """
    pipeline = collector["service"]["pipelines"]["traces"]
    parts = ("receivers", "processors", "exporters")
    return (
        all(set(pipeline[part]) == collector.get(part, {}).keys() for part in parts)
        and pipeline["processors"][0] == "memory_limiter"
    )


@pytest.mark.parametrize(
    ("file", "fits", "right", "wrong"),
    [
        ("vector.yaml", fits_vector, "inputs: [", "inputs: [mistyped_"),
        ("vector.yaml", fits_vector, "inputs:", "input:"),
        ("filebeat.yml", fits_filebeat, "- ndjson", "- njson"),
        ("filebeat.yml", fits_filebeat, "filebeat.inputs", "filebeat.input"),
        ("../otel/collector.yaml", fits_collector, "memory_limiter:", "memory_limit:"),
        ("../otel/collector.yaml", fits_collector, "exporters:", "exporter:"),
    ],
)
def test_what_is_not_run_here_has_its_shape_and_a_broken_copy_has_not(
    file: str, fits: Callable[[Any], bool], right: str, wrong: str
) -> None:
    text = (LOGS / file).read_text()
    assert right in text
    assert fits(yaml.safe_load(text))
    assert not fits(yaml.safe_load(text.replace(right, wrong, 1)))
