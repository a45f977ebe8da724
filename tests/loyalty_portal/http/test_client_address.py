"""A request's address is what our own proxies saw, never what the client claims."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.test import RequestFactory

from loyalty_portal.http.client_address import client_address, client_network

PEER = "192.0.2.10"


def asked(settings: Any, proxies: int, header: str | None, peer: str = PEER) -> Any:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {} if header is None else {"x-forwarded-for": header}
    return RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)


@pytest.mark.parametrize(
    ("proxies", "header", "address"),
    [
        (0, None, PEER),
        (0, "203.0.113.9", PEER),  # no proxy, so the header is the client's claim
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9, 192.0.2.77", "203.0.113.9"),
        (2, "203.0.113.9", PEER),  # fewer entries than proxies: it did not come through them all
        (1, None, PEER),
        (1, "", PEER),
        (1, "not an address", PEER),
        (1, " 203.0.113.9 ", "203.0.113.9"),
        (1, "203.0.113.9:52100", "203.0.113.9"),
        (1, "[2001:db8::7]:443", "2001:db8::7"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "fe80::1%eth0", "fe80::1"),
    ],
)
def test_the_address_is_what_the_outermost_of_our_proxies_saw(
    settings: Any, proxies: int, header: str | None, address: str
) -> None:
    assert client_address(asked(settings, proxies, header)) == address


def test_behind_a_socket_without_an_address_everybody_is_unknown_and_nobody_an_error(
    settings: Any,
) -> None:
    assert client_address(asked(settings, 0, None, peer="")) == "unknown"
    assert client_network(asked(settings, 0, None, peer="")) == "unknown"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        # The /64 of mapped IPv4 addresses would be shared by everybody.
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_limits_count_a_subscriber_of_ipv6_once(settings: Any, address: str, network: str) -> None:
    assert client_network(asked(settings, 1, address)) == network


@pytest.mark.parametrize("proxies", [0, 1])
def test_that_a_request_came_by_https_is_believed_of_a_proxy_alone(proxies: int) -> None:
    asked = "RequestFactory().get('/', headers={'x-forwarded-proto': 'https'})"
    program = (
        "import django; django.setup(); from django.test import RequestFactory;"
        f" print({asked}.is_secure())"
    )
    environment = {**os.environ, "DEBUG": "true", "TRUSTED_PROXY_COUNT": str(proxies)}
    said = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [str(proxies == 1)]
