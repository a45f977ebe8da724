"""Checks the networks that webhooks to companies' own systems may reach."""

from ipaddress import ip_network

from loyalty_portal.configuration.environment import Environment


def networks(env: Environment, *, debug: bool) -> list[str]:
    """The networks that endpoints may be in besides the internet. Problems are added to `env`."""
    found = env.words("WEBHOOK_ALLOWED_NETWORKS")
    for network in found:
        if not _is_network(network):
            env.wrong("WEBHOOK_ALLOWED_NETWORKS", f"{network!r} is no network like 127.0.0.0/8.")
    if found and not debug:
        env.wrong(
            "WEBHOOK_ALLOWED_NETWORKS",
            "opens inner networks to addresses that companies enter; it is for demo and tests.",
        )
    return found


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
