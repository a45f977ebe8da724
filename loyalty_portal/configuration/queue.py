"""The broker's settings, which follow from the scheme of its address."""

from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from loyalty_portal.configuration.environment import Environment

TRANSPORTS = "loyalty_portal.queue.broker"
REDIS, SENTINEL, AMQP, SQS = {"redis", "rediss"}, {"sentinel"}, {"amqp", "amqps"}, {"sqs"}
MASTER = "master_name"  # in the query of a sentinel:// address


class Broker(NamedTuple):
    """`transport` None: kombu's own for the address."""

    url: str
    transport: str | None
    options: dict[str, Any]


def broker(env: Environment, *, cache: str, timeout: float) -> Broker:
    """The broker at BROKER_URL; the cache's Redis when that is not set. A call to it waits at most
    `timeout` seconds. Problems are added to `env`.
    """
    url = env.text("BROKER_URL", cache)
    schemes = {urlsplit(part).scheme for part in url.split(";")}
    if schemes <= SENTINEL:
        return _sentinel(env, url, timeout)
    if schemes <= AMQP:
        return Broker(url, None, _amqp(timeout))
    if schemes <= SQS:
        if find_spec("boto3") is None:
            env.wrong("BROKER_URL", "sqs:// needs the packages of requirements-aws.txt.")
        return Broker(url, None, _sqs(timeout))
    if not schemes <= REDIS:
        env.wrong("BROKER_URL", "must be a redis, rediss, sentinel, amqp, amqps or sqs address.")
    return Broker(url, f"{TRANSPORTS}:Transport", _redis(timeout))


def _sentinel(env: Environment, url: str, timeout: float) -> Broker:
    """Sentinels, of which each may name the group that they watch: `?master_name=portal`."""
    parts = url.split(";")
    names = [
        value for part in parts for name, value in parse_qsl(urlsplit(part).query) if name == MASTER
    ]
    if len(set(names)) != 1:
        env.wrong("BROKER_URL", "sentinel:// needs ?master_name=, the name that Sentinel watches.")
        names = [""]
    plain = ";".join(urlsplit(part)._replace(query="").geturl() for part in parts)
    options = {**_redis(timeout), MASTER: names[0]}
    return Broker(plain, f"{TRANSPORTS}:SentinelTransport", options)


# A task that runs longer is started a second time; ours end within PARTNER_DEADLINE.
VISIBILITY = 300  # seconds


def _amqp(timeout: float) -> dict[str, Any]:
    """No confirms: a nudge that is lost costs only time, and so a frozen broker no request's."""
    return {"read_timeout": timeout, "write_timeout": timeout, "max_retries": 0}


def _sqs(timeout: float) -> dict[str, Any]:
    """One try, as with the others. AWS's own variables name the region and the credentials."""
    once = {"total_max_attempts": 1}
    return {
        "visibility_timeout": VISIBILITY,
        "polling_interval": 1,
        "client-config": {"connect_timeout": timeout, "read_timeout": timeout, "retries": once},
    }


def _redis(timeout: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "max_retries": 0,  # of connecting to publish; a publisher would sleep between retries
        "visibility_timeout": VISIBILITY,
        # Redelivers a killed worker's tasks within seconds instead of minutes (measured, saga.md).
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    }
