"""Settings for alerts by PagerDuty or by e-mail."""

from typing import Any

import pytest


@pytest.fixture
def by_pagerduty(settings: Any) -> None:
    settings.PAGERDUTY_ROUTING_KEY = "the-routing-key"
    settings.ALERT_EMAILS = ["oncall@portal.example"]
    settings.PORTAL_URL = "https://portal.example"
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 2.0


@pytest.fixture
def by_mail(settings: Any) -> None:
    settings.PAGERDUTY_ROUTING_KEY = ""
    settings.ALERT_EMAILS = ["oncall@portal.example", "ops@portal.example"]
    settings.PORTAL_URL = "https://portal.example"
