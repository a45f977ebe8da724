"""The door to hosts that strangers name: the endpoints of companies' webhooks.

Such a host must be one of the public internet, or a company could make the portal call its own
network for it. The check is made in the socket (docs/decisions/0056-the-door-to-strangers.md): a
name is looked up once, every one of its addresses must be public, and what was checked is what is
connected to. TLS is checked for the name.
"""

import http.cookiejar
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpcore
import httpx
from django.conf import settings
from django.db import connection

from loyalty_portal.partners.answers import retry_after
from loyalty_portal.partners.deadline import DeadlineBackend, until

LARGEST_ANSWER = 2048  # bytes of a body that are read
HTTPS = 443

# Refused whatever Python's `is_global` says: it differs between versions, and calls some of these
# public, such as those that lead to an IPv4 address of any kind.
_NEVER = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            # Of IPv6: unspecified, loopback and IPv4 addresses in it, translated and tunnelled
            # ones, documentation, local and multicast.
            *("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23"),
            *("2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10"),
            *("fec0::/10", "ff00::/8"),
        ),
    )
)


class RefusedAddressError(Exception):
    """The address must not be called. The message is one of the words of `Failure.why`."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A host answered with this status. `retry_after` is in seconds, at most an hour."""

    status: int
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer came. `why`: address (is not public), name (has no address), port, scheme, url,
    timeout, tls, connection, or malformed (is no HTTP).
    """

    why: str


def post(url: str, body: bytes, headers: dict[str, str]) -> Answered | Failure:
    """POST `body` to a stranger's address. The call ends after WEBHOOK_TIMEOUT seconds in all.

    Follows no redirect, and reads 2 KiB of the answer's body at most. Raises no network error.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a stranger is never called inside a transaction")
    ends_at = time.monotonic() + settings.WEBHOOK_TIMEOUT
    try:
        where = _checked(url)
        with until(ends_at), _client(where) as client:
            return _exchange(client, where, body, headers)
    except RefusedAddressError as error:
        return Failure(str(error))
    except httpx.InvalidURL:
        return Failure("url")
    except httpx.HTTPError as error:
        return Failure(_reason(error, ends_at))


def why_not(url: str) -> str:
    """Why an address cannot be called, as far as it shows by itself: a word of `Failure.why`, ""
    when nothing speaks against it. No name is looked up.
    """
    try:
        where = _checked(url)
    except httpx.InvalidURL:
        return "url"
    except RefusedAddressError as error:
        return str(error)
    literal = _literal(where.host)
    if _is_allowed(literal) if literal else settings.WEBHOOK_ALLOWED_NETWORKS:
        return ""  # of which network a name is, only a look-up tells
    if literal and not is_public(literal):
        return "address"
    if where.scheme != "https":
        return "scheme"
    return "" if where.port in {None, HTTPS} else "port"


def _literal(host: str) -> str:
    """The IP address that a host says by itself, in any way in which the system reads one, such as
    127.1; "" for a name.
    """
    if _parsed(host):
        return host
    try:
        return str(IPv4Address(socket.inet_aton(host)))
    except OSError:
        return ""


def _checked(url: str) -> httpx.URL:
    where = httpx.URL(url)
    if where.scheme not in {"http", "https"}:
        raise RefusedAddressError("scheme")
    if not where.host or where.userinfo:
        raise RefusedAddressError("url")
    return where


def _exchange(
    client: httpx.Client, where: httpx.URL, body: bytes, headers: dict[str, str]
) -> Answered:
    with client.stream("POST", where, content=body, headers=headers) as response:
        answered = Answered(
            response.status_code, retry_after(response.headers.get("retry-after", ""))
        )
        _read_some(response)
    return answered


def _read_some(response: httpx.Response) -> None:
    """Read the start of the body, so that a usual receiver sees no broken connection.

    The status has said everything, so a body that breaks off changes nothing.
    """
    read = 0
    try:
        for chunk in response.iter_raw():
            read += len(chunk)
            if read >= LARGEST_ANSWER:
                return
    except httpx.HTTPError:
        return


def _reason(error: httpx.HTTPError, ends_at: float) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RefusedAddressError):
            return str(cause)
        if isinstance(cause, ssl.SSLError):
            return "tls"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException) or time.monotonic() >= ends_at:
        return "timeout"
    return "malformed" if isinstance(error, httpx.RemoteProtocolError) else "connection"


class _PublicBackend(DeadlineBackend):
    """Connects to public addresses by HTTPS only, and to those of WEBHOOK_ALLOWED_NETWORKS."""

    def __init__(self, *, secure: bool) -> None:
        super().__init__()
        self._secure = secure

    def addresses(self, host: str, port: int) -> list[str]:
        try:
            found = super().addresses(host, port)
        except httpcore.ConnectError as error:
            raise RefusedAddressError("name") from error
        if not all(map(_is_allowed, found)):
            if not self._secure:
                raise RefusedAddressError("scheme")
            if port != HTTPS:
                raise RefusedAddressError("port")
            if not all(map(is_public, found)):
                raise RefusedAddressError("address")
        return found


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, by Python and by our own list."""
    ip = _parsed(address)
    return ip is not None and ip.is_global and not any(ip in network for network in _NEVER)


def _is_allowed(address: str) -> bool:
    ip = _parsed(address)
    return ip is not None and any(
        ip in ip_network(network) for network in settings.WEBHOOK_ALLOWED_NETWORKS
    )


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads all certificate authorities, which takes a while


class _DirectTransport(httpx.HTTPTransport):
    """Replaces httpx's connection pool, because httpx has no option for a network backend."""

    def __init__(self, *, secure: bool) -> None:
        super().__init__(verify=_tls())
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(),
            max_keepalive_connections=0,  # each call is checked anew
            network_backend=_PublicBackend(secure=secure),
        )


def _client(where: httpx.URL) -> httpx.Client:
    return httpx.Client(
        transport=_DirectTransport(secure=where.scheme == "https"),
        headers={"Accept-Encoding": "identity", "User-Agent": "loyalty-portal-webhooks"},
        cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        timeout=settings.WEBHOOK_TIMEOUT,
        trust_env=False,
    )
