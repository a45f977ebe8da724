"""Refuses unsafe settings at the start, with one message for each."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.published import is_published

PARTNERS = (
    "LOYALTY_API_URL",
    "LOYALTY_OAUTH_TOKEN_URL",
    "FULFILLMENT_API_URL",
    "FULFILLMENT_OAUTH_TOKEN_URL",
    "PAGERDUTY_URL",
    "SMS_URL",
)
_SECRET = re.compile(r"SECRET|KEY|PASSWORD|TOKEN|DSN")


def refuse_unsafe(env: Environment, *, secret_key: str, hosts: list[str], address: str) -> None:
    """Check the settings of production (DEBUG off). Problems are added to `env`."""
    if len(secret_key) < 50 or len(set(secret_key)) < 5 or secret_key.startswith("insecure"):
        env.wrong("SECRET_KEY", "production needs at least 50 random characters.")
    if not hosts or "*" in hosts:
        env.wrong("ALLOWED_HOSTS", "production needs the host names it is served under, not '*'.")
    if not address.startswith("https://"):
        env.wrong("PORTAL_URL", "production needs the portal's https:// address, for letters.")
    for name in PARTNERS:
        there = urlsplit(os.environ.get(name, "").strip())
        if there.scheme == "http" and not _is_this_machine(there.hostname or ""):
            env.wrong(name, "production needs https://; over http points and keys can be read.")
    for name, value in os.environ.items():
        if any(is_published(secret) for secret in _secrets(name, value)):
            env.wrong(
                name,
                "holds a secret that stands in the portal's own repository, so everybody knows "
                "it; production needs one of its own.",
            )


def refuse_public_debug(
    env: Environment, hosts: Iterable[str], addresses: Mapping[str, Iterable[str]]
) -> None:
    """Refuse DEBUG on hosts other than this machine: it shows errors and accepts published
    secrets.

    `addresses` are those at which browsers find the portal, by their variable.
    """
    found = [("ALLOWED_HOSTS", host, host) for host in hosts]
    for name, urls in addresses.items():
        found += [(name, url, urlsplit(url).hostname or "") for url in urls]
    for name, value, host in found:
        if _is_public(host):
            env.wrong(
                "DEBUG",
                f"is on, but {name} has {value!r}, which others may reach; switch it off, "
                "or name only localhost, loopback addresses and names without a dot.",
            )


def _secrets(name: str, value: str) -> Iterator[str]:
    """The secrets in a variable: its value, the items of a list, and what addresses contain."""
    words = [word.strip() for word in re.split("[,;]", value)]
    if _SECRET.search(name):
        yield value
        yield from words
    for address in (value, *words):
        if "://" in address:
            yield from _secrets_of(address)


def _secrets_of(address: str) -> Iterator[str]:
    """User, password and the values of the query, from which libraries read passwords too."""
    parts = urlsplit(address)
    yield unquote(parts.username or "")
    yield unquote(parts.password or "")
    yield from (value for _name, value in parse_qsl(parts.query))


def _is_public(host: str) -> bool:
    return not _is_this_machine(host) and ("." in host or ":" in host or host == "*")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
