"""Static files from the portal's own host, or from the CDN that STATIC_HOST names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.house.env_files import ROOT, production

ASK = """
import json, django
django.setup()
from django.conf import settings
from django.template.loader import render_to_string
from loyalty_portal.configuration.brand import shown
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
from csp.utils import build_policy
print(json.dumps({
    "policy": build_policy(),
    "assets": render_to_string("ui/frame/_assets.html", shown()),
    "broken": render_to_string("500.html"),
}))
"""


def told(**more: str) -> dict[str, Any]:
    """What pages say with these variables."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **production(**more)},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def sources(policy: str, directive: str) -> list[str]:
    [found] = [each.split()[1:] for each in policy.split(";") if each.split()[0] == directive]
    return found


def test_pages_policy_and_preconnect_name_the_cdn() -> None:
    page = told(STATIC_HOST="https://cdn.example/")

    for directive in ("script-src", "style-src", "img-src", "font-src"):
        assert "https://cdn.example" in sources(page["policy"], directive)
    for directive in ("connect-src", "form-action"):
        assert sources(page["policy"], directive) == ["'self'"]
    assert '<link rel="preconnect" href="https://cdn.example">' in page["assets"]
    assert 'src="https://cdn.example/static/js/portal.js"' in page["assets"]
    # Browsers take no `<use>` from another host.
    assert 'href="/static/img/icons.svg#life-buoy"' in page["broken"]


def test_without_a_cdn_all_comes_from_the_portal() -> None:
    page = told()

    assert "https:" not in page["policy"]
    assert "preconnect" not in page["assets"]
    assert 'src="/static/js/portal.js"' in page["assets"]


@pytest.mark.parametrize(
    "host",
    ["http://cdn.example", "cdn.example", "https://cdn.example/files", "https://a:b@cdn.example"],
)
def test_a_host_without_https_or_with_more_than_a_host_stops_the_start(host: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import loyalty_portal.settings"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **production(STATIC_HOST=host)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "STATIC_HOST: must be" in done.stderr


def test_a_page_of_the_web_process_ends_its_statements_after_ten_seconds() -> None:
    """And no other process does: the worker and commands may take longer."""
    ask = (
        "from django.conf import settings as s; print(s.DATABASES['default']['OPTIONS']['options'])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", f"{first}; {ask}"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                **production(DJANGO_SETTINGS_MODULE="loyalty_portal.settings"),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for first in ("import loyalty_portal.wsgi", "import loyalty_portal.celery", "pass")
    ]
    assert ["statement_timeout=10s" in each for each in said] == [True, False, False]
