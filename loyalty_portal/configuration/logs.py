"""The format of log records: one readable line each on a console, JSON in production."""

import logging
import re
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.types import EventDict, Processor, WrappedLogger

# The links of letters whose address is the secret. deploy/nginx/nginx.conf names them too.
_SECRET_PATHS = re.compile(
    r"(/invitations/(?!of/|unknown/)|/accounts/password/reset/key/)[^/\s\"'?#]+"
)
# API keys and tokens, wherever somebody put one: the part of a key that is shown stays.
_API_KEYS = re.compile(r"(lrp_(?:live|test)_[0-9A-Za-z]{4})[0-9A-Za-z]{32}")
_TOKENS = re.compile(r"(eyJ)[\w-]+\.[\w-]+\.[\w-]+")


class RefusalsInOneLine(logging.Filter):
    """Logs requests that Django refused in one line without a traceback.

    A missing permission, a foreign host or a too large form is no error of the program, and senders
    of such requests must not be able to fill the log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", 0)
        if record.name.startswith("django.") and 400 <= status < 500:
            record.exc_info = record.exc_text = None
        return True


def logging_settings(style: str) -> dict[str, Any]:
    """The setting `LOGGING` for `LOG_FORMAT` (`console` or `json`)."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "style": style}},
        "filters": {"refusals": {"()": RefusalsInOneLine}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["refusals"],
            }
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO"},  # its own handler would say all twice
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            "fontTools": {"level": "WARNING"},  # it names the letters of recipients
        },
    }


def without_secret_paths(text: str) -> str:
    """The text with a dash in place of the secret in each address of a letter's link, in each API
    key, and in each token of a person.
    """
    for secret in (_SECRET_PATHS, _API_KEYS, _TOKENS):
        text = secret.sub(r"\1-", text)
    return text


def _hide_secrets(_logger: WrappedLogger, _name: str, line: str | EventDict) -> str:
    return without_secret_paths(str(line))


def formatter(style: str) -> structlog.stdlib.ProcessorFormatter:
    """The formatter for `LOG_FORMAT` (`console` or `json`)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if style == "json":
        last: list[Processor] = [
            # Tracebacks leave out local variables, which may hold codes, tokens and addresses.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ]
    else:
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)]
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    each: list[Processor] = [remove, *last, _hide_secrets]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=each)
