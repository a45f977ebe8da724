"""What the API and the webhooks are without variables of the operator."""

import os

import pytest

from loyalty_portal.configuration import api, tokens, webhooks_out
from loyalty_portal.configuration.environment import Environment


def test_what_is_not_set_is_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("API_", "JWT_", "WEBHOOK_")):
            monkeypatch.delenv(name)
    env = Environment()
    assert api.read(env) == ("live", 600, 1200)
    assert tokens.read(env, debug=True)[1:] == (300, 14 * 24 * 3600)
    assert webhooks_out.networks(env, debug=False) == []
    assert env.problems == []
