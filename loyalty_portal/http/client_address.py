"""Finds the IP address of a request's sender, for limits and records.

Anybody can send an X-Forwarded-For header. Each of our proxies appends the address that it saw, so
only the last `TRUSTED_PROXY_COUNT` entries can be trusted.
"""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"  # a Unix socket has no address


def client_address(request: HttpRequest) -> str:
    """The IP address that our outermost proxy saw; without proxies, the peer's address.

    The peer's address is used too when the header has too few entries or no address at that place,
    because such a request did not come through all proxies.
    """
    peer = _address(request.META.get("REMOTE_ADDR", "")) or UNKNOWN
    count: int = settings.TRUSTED_PROXY_COUNT
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if not 0 < count <= len(entries):
        return peer
    return _address(entries[-count]) or peer


def client_network(request: HttpRequest) -> str:
    """The address for limits: an IPv4 address, or the /64 of an IPv6 one, which one
    customer has.
    """
    address = client_address(request)
    if ":" not in address:
        return address
    return str(ipaddress.IPv6Network(f"{address}/64", strict=False).network_address)


def _address(text: str) -> str:
    """Normalize an address: no port, and IPv4-mapped IPv6 as IPv4. "" if it is none."""
    text = text.strip()
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
