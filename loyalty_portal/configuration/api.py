"""Settings of the API."""

from typing import NamedTuple

from loyalty_portal.configuration.environment import Environment


class ApiSettings(NamedTuple):
    """`key_environment` is what keys begin with, `lrp_live_` or `lrp_test_`; keys of the other are
    refused. The rates are calls a minute, of a key and of a company with all its keys.
    """

    key_environment: str
    rate_key: int
    rate_company: int


def read(env: Environment) -> ApiSettings:
    """The settings from the environment. Problems are added to `env`."""
    return ApiSettings(
        env.choice("API_KEY_ENVIRONMENT", "live", ("live", "test")),
        env.count("API_RATE_KEY", 600, low=1, high=1_000_000),
        env.count("API_RATE_COMPANY", 1200, low=1, high=1_000_000),
    )
