"""The format of log records: one readable line each on a console, JSON in production."""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from django.http import HttpRequest
from structlog.tracebacks import ExceptionDictTransformer
from structlog.types import EventDict, Processor, WrappedLogger

from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.observability.access import logger, route_of
from loyalty_portal.configuration.observability.origin import request_id
from loyalty_portal.configuration.observability.traces import trace_id_of, traceparent

FORMATS = ("console", "json", "ecs")
SERVICE = "loyalty-portal"
ECS_VERSION = "8.11.0"

# The links of letters whose address is the secret. deploy/nginx/nginx.conf names them too.
_SECRET_PATHS = re.compile(
    r"(/invitations/(?!of/|unknown/)|/for-you/(?!done/)|/accounts/password/reset/key/)[^/\s\"'?#]+"
)
# API keys and tokens, wherever somebody put one: the part of a key that is shown stays.
_API_KEYS = re.compile(r"(lrp_(?:live|test)_[0-9A-Za-z]{4})[0-9A-Za-z]{32}")
_TOKENS = re.compile(r"(eyJ)[\w-]+\.[\w-]+\.[\w-]+")
# E-mail addresses, and what PostgreSQL tells about a refused row and of a refused statement: their
# values, inside of JSON and on a console.
_ADDRESSES = re.compile(r"()(?<![\w.+%-])[\w.+%-]+@[\w-]+\.[\w.-]+")
_VALUES = re.compile(r'(\\n(?:DETAIL|LINE \d+): )(?:[^"\\]|\\.)*')
_VALUES_SHOWN = re.compile(r"(\n(?:DETAIL|LINE \d+): ).*")

# What each record has; all else was given with `extra`.
_OF_EACH = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# What Django adds, and is not to be logged: the request with its path and query.
_LEFT_OUT = frozenset({"request"})

# The names of the Elastic Common Schema; what has none there is named `portal.…`.
_ECS = {
    "request_id": "http.request.id",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "method": "http.request.method",
    "status": "http.response.status_code",
    "status_code": "http.response.status_code",
}


class RefusalsInOneLine(logging.Filter):
    """Logs requests that were refused in one line without a traceback, and names their route, not
    their path.

    A missing permission, a foreign host or a too large form is no error of the program, and senders
    of such requests must not be able to fill the log. Neither must an outage of the database: 503
    is its answer only (loyalty_portal/data/trouble.py).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", 0)
        if record.name.startswith("django.") and (400 <= status < 500 or status == 503):
            if status == 503 and record.exc_info and record.exc_info[0]:
                record.error = record.exc_info[0].__name__
            record.exc_info = record.exc_text = None
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest) and isinstance(record.args, tuple):
            route = route_of(request) or "-"
            record.args = tuple(route if arg == request.path else arg for arg in record.args)
        return True


def log_format(env: Environment, *, debug: bool) -> str:
    """The setting LOG_FORMAT."""
    return env.choice("LOG_FORMAT", "console" if debug else "json", FORMATS)


def logging_settings(style: str) -> dict[str, Any]:
    """The setting `LOGGING` for one of FORMATS. A console gets the lines on stderr, so that what a
    command prints stays apart; others read them on stdout.
    """
    stream = "ext://sys.stderr" if style == "console" else "ext://sys.stdout"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "style": style}},
        "filters": {"refusals": {"()": RefusalsInOneLine}},
        "handlers": {
            "console": {
                "class": "loyalty_portal.configuration.observability.output.Output",
                "stream": stream,
                "formatter": "line",
                "filters": ["refusals"],
            }
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO"},  # its own handler would say all twice
            "gunicorn.error": {"handlers": [], "propagate": True},  # the same
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            "opentelemetry": {"level": "ERROR"},  # it warns of each span that it drops
            "fontTools": {"level": "WARNING"},  # it names the letters of recipients
            "celery.worker.strategy": {"level": "WARNING"},  # each task's end is told
        },
    }


def without_secret_paths(text: str) -> str:
    """The text with a dash in place of the secret in each address of a letter's link, in each API
    key, and in each token of a person.
    """
    for secret in (_SECRET_PATHS, _API_KEYS, _TOKENS):
        text = secret.sub(r"\1-", text)
    return text


def formatter(style: str) -> logging.Formatter:
    """The formatter for one of FORMATS."""
    if style == "console":
        return _for_a_console()
    return EcsLines() if style == "ecs" else JsonLines()


class JsonLines(logging.Formatter):
    """One JSON object a line. It is written for each request, so it is made in one go, without a
    chain of processors (`python -m benchmarks.observability` measures it).
    """

    # Tracebacks leave out local variables, which may hold codes, tokens and addresses.
    _exception = staticmethod(ExceptionDictTransformer(show_locals=False))

    def format(self, record: logging.LogRecord) -> str:
        line = self.told(record, facts_of(record))
        try:
            text = orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
        except orjson.JSONEncodeError:  # half a character, or a number of more than 64 bits
            text = json.dumps(line, default=repr, skipkeys=True)
        if record.name == logger.name:  # nobody writes into it what they like, and it is quick
            return text
        for personal in (_ADDRESSES, _VALUES):
            text = personal.sub(r"\1-", text)
        return without_secret_paths(text)

    def told(self, record: logging.LogRecord, facts: dict[str, Any]) -> dict[str, Any]:
        line = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": _time_of(record),
            **facts,
        }
        if record.exc_info and record.exc_info[1]:
            kind, error, where = record.exc_info
            line["exception"] = self._exception((kind, error, where))
        return line


class EcsLines(JsonLines):
    """The same in the names of the Elastic Common Schema."""

    def told(self, record: logging.LogRecord, facts: dict[str, Any]) -> dict[str, Any]:
        line: dict[str, Any] = {
            "@timestamp": _time_of(record),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "ecs.version": ECS_VERSION,
            "service.name": SERVICE,
            "process.pid": record.process,
            "log.logger": record.name,
        }
        if "duration_ms" in facts:
            line["event.duration"] = round(facts.pop("duration_ms") * 1_000_000)  # nanoseconds
        for name, value in facts.items():
            line[_ECS.get(name) or f"portal.{name}"] = value
        if record.exc_info and (error := record.exc_info[1]):
            line["error.type"] = type(error).__qualname__
            line["error.message"] = str(error)
            line["error.stack_trace"] = "".join(traceback.format_exception(error))
        return line


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was given beside the message, and the request that it belongs to."""
    facts = {name: value for name, value in vars(record).items() if name not in _OF_EACH}
    for name in _LEFT_OUT.intersection(facts):
        del facts[name]
    if of_request := request_id():
        facts["request_id"] = of_request
    if here := traceparent():
        facts["trace_id"], facts["span_id"] = trace_id_of(here), here[36:52]
    return facts


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _for_a_console() -> logging.Formatter:
    def add_facts(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
        return {**facts_of(line["_record"]), **line}

    def hide_secrets(_logger: WrappedLogger, _name: str, line: str | EventDict) -> str:
        text = str(line)
        for personal in (_ADDRESSES, _VALUES_SHOWN):
            text = personal.sub(r"\1-", text)
        return without_secret_paths(text)

    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        add_facts,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    plain = structlog.dev.plain_traceback
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain),
        hide_secrets,
    ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)
