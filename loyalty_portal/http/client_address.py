"""Who asks: the address of a request, for limits and for the trail, read here and nowhere else.

Anybody can send an X-Forwarded-For. Each of our own proxies appends the address that it saw
itself, so the last `TRUSTED_PROXY_COUNT` entries are true, and those before them are hearsay.
"""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"  # a Unix socket has no address


def client_address(request: HttpRequest) -> str:
    """The IP address that the outermost of our proxies saw; without proxies, the peer's.

    A header with fewer entries than there are proxies, or with something else than an address at
    that place, came past them: then the peer's address counts too.
    """
    peer = _address(request.META.get("REMOTE_ADDR", "")) or UNKNOWN
    count: int = settings.TRUSTED_PROXY_COUNT
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if not 0 < count <= len(entries):
        return peer
    return _address(entries[-count]) or peer


def client_network(request: HttpRequest) -> str:
    """What limits count by: the address, of IPv6 the /64, of which one subscriber has all."""
    address = client_address(request)
    if ":" not in address:
        return address
    return str(ipaddress.IPv6Network(f"{address}/64", strict=False).network_address)


def _address(text: str) -> str:
    """As Python writes it, without a port; an IPv4 address in IPv6's clothes as IPv4."""
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
