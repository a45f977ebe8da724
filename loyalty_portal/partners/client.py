"""The HTTP client for partners. All calls to partners go through it.

A call ends in one of three outcomes (docs/decisions/0010-three-outcomes.md) and never raises a
network error. It is made outside any transaction and ends by its deadline.
"""

import base64
import functools
import http.cookiejar
import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

import httpcore
import httpx
import tenacity
from django.db import connection

from loyalty_portal.configuration.observability import traces
from loyalty_portal.http.where import where
from loyalty_portal.metrics.figures import PARTNER_CALLS, PARTNER_SECONDS, count, took
from loyalty_portal.partners import breaker, wire
from loyalty_portal.partners.answers import (
    NO_TOKEN,
    Answer,
    Outcome,
    PartnerRefusedError,
    PartnerUnavailableError,
    Reply,
    contradicted,
    judge,
    redacted,
)
from loyalty_portal.partners.deadline import DeadlineBackend, until
from loyalty_portal.partners.token import EARLY, Grant, TokenError, TokenRefusedError, TokenStore

__all__ = [
    "Answer",
    "Outcome",
    "PartnerClient",
    "PartnerConfig",
    "PartnerRefusedError",
    "PartnerUnavailableError",
    "Reply",
    "contradicted",
]

log = logging.getLogger(__name__)

ATTEMPTS = 4  # within one call
LONGEST_PAUSE = 5.0  # seconds; a longer wait is left to the caller's next try
LARGEST_ANSWER = {"GET": 4 * 1024 * 1024, "POST": 256 * 1024}  # bytes
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)


@dataclass(frozen=True)
class PartnerConfig:
    """The settings of one partner.

    OAuth is used when `oauth_token_url` is set, else the API key. `timeout` is per read, `deadline`
    for a whole call, both in seconds. `keeps_keys` False: the partner ignores idempotency keys, so
    a POST that may have landed is never repeated within a call.
    """

    name: str
    base_url: str
    api_key: str = field(repr=False)
    oauth_token_url: str
    oauth_client_id: str
    oauth_client_secret: str = field(repr=False)
    timeout: float
    deadline: float
    keeps_keys: bool = True


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    template: str
    url: str
    ends_at: float  # a time of time.monotonic
    params: Mapping[str, str] | None = None
    body: bytes | None = field(default=None, repr=False)
    idempotency_key: str = ""
    shared: bool = False  # uses the connections that GETs share


class PartnerClient:
    """Calls one partner. `path` is a template such as "/balance/{account_id}", filled with `parts`.

    Only the template is logged, so that ids stay out of the log.
    """

    def __init__(self, config: PartnerConfig) -> None:
        self._config = config

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        patience: float | None = None,
        **parts: str,
    ) -> Answer:
        """Send a GET. `patience`: seconds to wait if that is less than the deadline."""
        ends_at = time.monotonic() + min(patience or self._config.deadline, self._config.deadline)
        return self._call(_Call("GET", path, self._url(path, parts), ends_at, params, shared=True))

    def post(self, path: str, *, body: bytes, idempotency_key: str, **parts: str) -> Answer:
        """Send exactly `body`, repeating it if needed, always with the same `idempotency_key`."""
        if not idempotency_key:
            raise ValueError("a POST to a partner needs an idempotency key")
        ends_at = time.monotonic() + self._config.deadline
        url = self._url(path, parts)
        return self._call(
            _Call("POST", path, url, ends_at, body=body, idempotency_key=idempotency_key)
        )

    def once(
        self,
        method: str,
        path: str,
        parts: Mapping[str, str],
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        idempotency_key: str = "",
    ) -> Reply | Answer:
        """Send one request without judging or repeating it, for checks of the partner itself."""
        ends_at = time.monotonic() + self._config.deadline
        url = self._url(path, parts)
        return self._authorized(_Call(method, path, url, ends_at, params, body, idempotency_key))

    def without_credentials(self) -> "PartnerClient":
        """A client of the same partner that sends no credentials."""
        return PartnerClient(replace(self._config, api_key="", oauth_token_url=""))

    def _url(self, path: str, parts: Mapping[str, str]) -> str:
        if not {"", ".", ".."}.isdisjoint(parts.values()):
            raise ValueError(f"{path}: a part is empty or would change the path")
        filled = path.format_map({name: quote(part, safe="") for name, part in parts.items()})
        return self._config.base_url.rstrip("/") + filled

    def _call(self, call: _Call) -> Answer:
        started = time.monotonic()
        landed = False

        def attempt() -> Answer:
            nonlocal landed
            answer = _judged(self._authorized(call))
            landed = landed or answer.may_have_landed
            return answer

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(functools.partial(self._worth_repeating, call)),
            wait=_pause,
            stop=tenacity.stop_after_attempt(ATTEMPTS)
            | tenacity.stop_before_delay(call.ends_at - started),
            retry_error_callback=_last_answer,
        )
        answer = replace(retrying(attempt), may_have_landed=landed)
        breaker.hear(self._config.name, call.method, answer)
        self._log(call, answer, started, retrying.statistics["attempt_number"])
        return answer

    def _worth_repeating(self, call: _Call, answer: Answer) -> bool:
        """Whether to repeat a call now: the wait is short, and a repeat cannot act twice."""
        if answer.outcome is not Outcome.UNKNOWN or (answer.retry_after or 0.0) > LONGEST_PAUSE:
            return False
        safe = call.method == "GET" or self._config.keeps_keys
        if answer.status_code is None:
            return answer.code == "connection" and (safe or not answer.may_have_landed)
        busy = answer.status_code in {425, 429, 503} or answer.code == "request_in_progress"
        return busy and safe

    def _authorized(self, call: _Call) -> Reply | Answer:
        if connection.in_atomic_block:
            raise RuntimeError("a partner is never called inside a transaction")
        config = self._config
        if not config.oauth_token_url:
            return self._attempt(call, {"X-API-Key": config.api_key} if config.api_key else {})
        tokens = _tokens(config)
        try:
            token = tokens.token(ends_at=call.ends_at)
            reply = self._attempt(call, {"Authorization": f"Bearer {token}"})
            if isinstance(reply, Answer) or not judge(reply).rejects_us:
                return reply
            token = tokens.token(ends_at=call.ends_at, rejected=token)
            return self._attempt(call, {"Authorization": f"Bearer {token}"})
        except TokenError as error:
            code = NO_TOKEN if isinstance(error, TokenRefusedError) else "token"
            return Answer(
                Outcome.UNKNOWN, code=code, detail=redacted(str(error)), may_have_landed=False
            )

    def _attempt(self, call: _Call, headers: dict[str, str]) -> Reply | Answer:
        if call.idempotency_key:
            headers["Idempotency-Key"] = call.idempotency_key
        if call.body:
            headers["Content-Type"] = "application/json"
        if request_id := where().request_id:
            headers["X-Request-Id"] = request_id
        with traces.partner_call(self._config.name, call.method, call.template, headers):
            return _exchange(
                call.method,
                call.url,
                headers=headers,
                ends_at=call.ends_at,
                timeout=self._config.timeout,
                params=call.params,
                content=call.body,
                shared=call.shared,
            )

    def _log(self, call: _Call, answer: Answer, started: float, attempts: int) -> None:
        level = logging.WARNING if answer.outcome is Outcome.UNKNOWN else logging.INFO
        facts = {
            "partner": self._config.name,
            "method": call.method,
            "path": call.template,
            "status": answer.status_code,
            "outcome": answer.outcome.value,
            "code": answer.code,
            "duration_ms": round((time.monotonic() - started) * 1000),
            "attempts": attempts,
        }
        log.log(level, "partner call", extra=facts)
        operation = f"{call.method} {call.template}"
        count(PARTNER_CALLS, self._config.name, operation, answer.outcome.value.lower())
        took(PARTNER_SECONDS, time.monotonic() - started, self._config.name)


# --- One exchange ----------------------------------------------------------------------------
class _Transport(httpx.HTTPTransport):
    """Replaces httpx's connection pool, because httpx has no option for a network backend."""

    def __init__(self, *, idle: int) -> None:
        # Honours SSL_CERT_FILE, which names a private certificate authority.
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=idle,
            keepalive_expiry=15.0,
            network_backend=DeadlineBackend(),
        )


@functools.cache
def _client(*, shared: bool) -> httpx.Client:
    """Make an httpx client. GETs share connections; each POST gets a new one.

    An idle connection may break under a POST, or hold an answer to something else
    (docs/decisions/0011-a-call-to-a-partner.md).
    """
    return httpx.Client(
        transport=_Transport(idle=20 if shared else 0),
        headers={
            "Accept": "application/json, application/problem+json",
            "Accept-Encoding": "identity",  # a small compressed body may unpack into a huge one
            "User-Agent": "loyalty-portal",
        },
        cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


def _judged(reply: Reply | Answer) -> Answer:
    return reply if isinstance(reply, Answer) else judge(reply)


def _exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    ends_at: float,
    timeout: float,
    params: Mapping[str, str] | None = None,
    content: bytes | None = None,
    shared: bool = False,
) -> Reply | Answer:
    """Send one request and read the whole response. A network failure becomes an UNKNOWN answer."""
    try:
        with (
            until(ends_at),
            _client(shared=shared).stream(
                method, url, params=params, headers=headers, content=content, timeout=timeout
            ) as response,
        ):
            raw, trouble = _read(response, LARGEST_ANSWER[method])
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _failure(error, ends_at)
    return Reply(response.status_code, response.headers, raw, trouble)


def _read(response: httpx.Response, largest: int) -> tuple[bytes, str]:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return b"", "encoded"
    raw = bytearray()
    for chunk in response.iter_raw():
        raw += chunk
        if len(raw) > largest:
            return b"", "too_large"
    return bytes(raw), ""


def _failure(error: Exception, ends_at: float) -> Answer:
    sent = not isinstance(error, _NOT_SENT)
    code = "connection"
    if time.monotonic() >= ends_at:
        code = "deadline"
    elif sent and isinstance(error, httpx.TimeoutException):
        code = "timeout"
    detail = redacted(f"{type(error).__name__}: {error}")
    return Answer(Outcome.UNKNOWN, code=code, detail=detail, may_have_landed=sent)


_backoff = tenacity.wait_random_exponential(multiplier=0.25, max=LONGEST_PAUSE)


def _last_answer(state: tenacity.RetryCallState) -> Answer:
    if state.outcome is None:
        raise RuntimeError("tenacity stopped before the first attempt")
    answer: Answer = state.outcome.result()
    return answer


def _pause(state: tenacity.RetryCallState) -> float:
    """Seconds to wait: the partner's Retry-After plus jitter, because others got the same value."""
    return (_last_answer(state).retry_after or 0.0) + _backoff(state)


# --- OAuth -----------------------------------------------------------------------------------
@functools.cache
def _tokens(config: PartnerConfig) -> TokenStore:
    return TokenStore(
        config.name,
        (config.oauth_token_url, config.oauth_client_id, config.oauth_client_secret),
        functools.partial(_fetch_token, config),
    )


def _fetch_token(config: PartnerConfig, ends_at: float) -> Grant:
    pair = f"{quote(config.oauth_client_id, safe='')}:{quote(config.oauth_client_secret, safe='')}"
    asked = time.time()
    reply = _exchange(
        "POST",
        config.oauth_token_url,
        headers={
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        },
        ends_at=ends_at,
        timeout=config.timeout,
        content=urlencode({"grant_type": "client_credentials"}).encode(),
    )
    if isinstance(reply, Answer):
        raise TokenError(f"no token: {reply.code}")
    if reply.status != 200 or reply.trouble:
        refused = reply.status in {400, 401, 403}  # RFC 6749, 5.2: errors such as invalid_client
        error = TokenRefusedError if refused else TokenError
        raise error(f"no token: the token endpoint answered {reply.status}")
    try:
        body = wire.read_object(reply.raw)
        token = wire.text(body, "access_token")
        lifetime = wire.whole(body, "expires_in", least=0) if "expires_in" in body else 300
    except wire.MalformedError as error:
        raise TokenError(f"no token: {error}") from None
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise TokenError("no token: what came cannot stand in a header")
    return Grant(token, asked + max(lifetime - EARLY, lifetime / 2))


def _forget() -> None:
    """Drop clients and locks after a fork: a child must not use its parent's connections."""
    _client.cache_clear()
    _tokens.cache_clear()


os.register_at_fork(after_in_child=_forget)
