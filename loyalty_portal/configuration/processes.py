"""Settings of single processes, which gunicorn reads before Django does."""

import gc
from ipaddress import ip_address
from threading import Event

from loyalty_portal.configuration.environment import Environment

# Set by the web process (loyalty_portal/wsgi.py) before the settings are read.
serves_pages = Event()
# A page whose query takes longer has lost its reader, and holds one of few connections.
PAGE_SECONDS = 10
# The roles of processes that tell figures, and the port of each where METRICS_PORT is not set: they
# often share a machine.
WEB, WORKER, SWEEPER = "web", "worker", "sweeper"
_PORTS = {WEB: 9101, WORKER: 9102, SWEEPER: 9103}


def check(env: Environment) -> None:
    """Check what gunicorn reads itself, and what is read later. Problems are added to `env`, and
    stop the start.
    """
    env.count("WEB_CONCURRENCY", 4, low=1, high=256)
    env.count("PORT", 8000, low=1, high=65535)
    shutdown_delay(env)
    metrics_port(env, WEB)
    env.url("HEARTBEAT_URL")  # only deploy/alertmanager/configure.py uses it


def collect_garbage_less_often() -> None:
    """Look for garbage after each 50,000 new objects, and not after each 700 as by default, which
    takes a sixth of the time of a start: most of what is loaded stays.
    """
    gc.set_threshold(50_000, 20, 20)


def shutdown_delay(env: Environment) -> float:
    """For how many seconds a web process that was told to stop goes on serving, while `/readyz`
    answers 503 so that a balancer sends its requests elsewhere. 0 with DEBUG, where no balancer is.

    Problems are added to `env`; settings.py reports them.
    """
    default = 0 if env.flag("DEBUG", default=False) else 5
    return env.seconds("SHUTDOWN_DELAY", default, low=0, high=120)


def metrics_port(env: Environment, role: str) -> int:
    """The port on which a process tells its figures to Prometheus; 0: it tells none."""
    return env.count("METRICS_PORT", _PORTS[role], high=65535)


def metrics_host(env: Environment) -> str:
    """The address of that port."""
    host = env.text("METRICS_HOST", "127.0.0.1")
    try:
        ip_address(host)
    except ValueError:
        env.wrong("METRICS_HOST", f"must be an IP address of this machine, not {host!r}.")
    return host


def metrics_folder(env: Environment) -> str:
    """The folder in which web processes count together; "": one in memory."""
    return env.text("PROMETHEUS_MULTIPROC_DIR")


def statement_timeout() -> str:
    """The option of PostgreSQL that ends a statement of the web process after 10 seconds; "" in all
    other processes, whose work may take longer.
    """
    return f"-c statement_timeout={PAGE_SECONDS}s" if serves_pages.is_set() else ""
