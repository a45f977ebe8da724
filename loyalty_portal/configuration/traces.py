"""Where traces go, or errors: OpenTelemetry or Sentry, both optional."""

from importlib.util import find_spec

from loyalty_portal.configuration.environment import Environment

_NEEDS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "opentelemetry", "SENTRY_DSN": "sentry_sdk"}


def read(env: Environment) -> tuple[str, float, str]:
    """The settings OTEL_ENDPOINT, OTEL_SAMPLED (the share of requests whose traces are kept, 0 to
    1) and SENTRY_DSN.
    """
    endpoint, dsn = env.url("OTEL_EXPORTER_OTLP_ENDPOINT"), env.url("SENTRY_DSN")
    for name, value in (("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("SENTRY_DSN", dsn)):
        if value and find_spec(_NEEDS[name]) is None:
            env.wrong(name, "needs the packages of requirements-otel.txt, which are not installed.")
    return endpoint, _share(env), dsn


def _share(env: Environment) -> float:
    raw = env.text("OTEL_TRACES_SAMPLER_ARG", "0.1")
    try:
        share = float(raw)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        env.wrong("OTEL_TRACES_SAMPLER_ARG", f"must be between 0 and 1, not {raw!r}.")
    return share
