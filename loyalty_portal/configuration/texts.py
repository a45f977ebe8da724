"""Settings of text messages (SMS)."""

from typing import NamedTuple

from loyalty_portal.configuration.environment import Environment


class TextSettings(NamedTuple):
    """The provider's address and our key there; both empty: nobody gets text messages."""

    url: str
    key: str


def read(env: Environment) -> TextSettings:
    """The settings from the environment. Problems are added to `env`."""
    url, key = env.url("SMS_URL"), env.text("SMS_KEY")
    if url and not key:
        env.wrong("SMS_KEY", "is missing; the provider of SMS_URL would not know us.")
    return TextSettings(url, key)
