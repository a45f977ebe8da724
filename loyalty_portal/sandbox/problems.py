"""Answers and errors in the form of the contracts (RFC 9457 with a stable `code`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The answer to a call: an HTTP status, a JSON body and further headers."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def content_type(self) -> str:
        return "application/problem+json" if "code" in self.body else "application/json"


class ProblemError(Exception):
    """A refusal or failure, which can be raised anywhere."""

    def __init__(
        self, status: int, code: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}

    def answer(self) -> Answer:
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return Answer(self.status, body, self.headers)


def invalid(detail: str, status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> ProblemError:
    return ProblemError(status, "invalid_request", detail)
