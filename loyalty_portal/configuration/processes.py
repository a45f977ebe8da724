"""Settings of single processes, which gunicorn reads before Django does."""

from loyalty_portal.configuration.environment import Environment


def shutdown_delay(env: Environment) -> float:
    """For how many seconds a web process that was told to stop goes on serving, while `/readyz`
    answers 503 so that a balancer sends its requests elsewhere. 0 with DEBUG, where no balancer is.

    Problems are added to `env`; settings.py reports them.
    """
    default = 0 if env.flag("DEBUG", default=False) else 5
    return env.seconds("SHUTDOWN_DELAY", default, low=0, high=120)
