"""The Dockerfile is checked by hadolint, since no container engine runs here."""

import subprocess
import sys
from pathlib import Path

import pytest

DOCKERFILE = Path(__file__).resolve().parents[3] / "Dockerfile"


def complaints(text: str) -> str:
    """What hadolint has against a Dockerfile; empty when nothing."""
    checker = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [checker, "--no-color", "-"], input=text, check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def test_nothing_is_wrong_with_it() -> None:
    assert not complaints(DOCKERFILE.read_text())


@pytest.mark.parametrize(
    ("right", "wrong", "rule"),
    [
        ("FROM python:3.13.9-slim-bookworm\n", "FROM python:latest\n", "DL3007"),
        ("WORKDIR /app\n", "WORKDIR app\n", "DL3000"),
    ],
)
def test_a_broken_copy_is_refused(right: str, wrong: str, rule: str) -> None:
    text = DOCKERFILE.read_text()
    assert right in text
    assert rule in complaints(text.replace(right, wrong))
