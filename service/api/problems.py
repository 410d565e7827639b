"""Errors as RFC 9457 problem details. The one place that knows which error is which HTTP status."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from schemas.errors import DocumentError
from schemas.model import InvalidDocument
from schemas.told import told
from service.errors import (
    ConcordatError,
    Conflict,
    EngineFailed,
    Finding,
    Forbidden,
    Malformed,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unsupported,
)

_LOG = logging.getLogger(__name__)
_STATUSES: dict[type[ConcordatError], tuple[int, str]] = {
    Malformed: (422, "The request is malformed"),
    Unauthenticated: (401, "Sign in first"),
    Forbidden: (403, "Not allowed"),
    NotFound: (404, "Not found"),
    Conflict: (409, "In conflict with what is there"),
    TooLarge: (413, "Too large"),
    Unsupported: (415, "This media type is not taken"),
    EngineFailed: (503, "The engine gave no answer"),
}
MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "urn:concordat:problem:"


def problem(status: int, title: str, code: str, detail: str, **extra: Any) -> JSONResponse:
    """Return a problem response; extra members that are None are left out, and words that may be secrets withheld."""
    body: dict[str, Any] = {"type": TYPE_BASE + code, "title": title, "status": status, "code": code}
    body |= {name: told(value) for name, value in {"detail": detail, **extra}.items() if value is not None}
    headers = {"WWW-Authenticate": 'Bearer realm="concordat"'} if status == 401 else None  # noqa: PLR2004 - HTTP
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def of(error: ConcordatError) -> JSONResponse:
    """Return the problem that an error of ours is."""
    kind = next((kind for kind in type(error).__mro__ if kind in _STATUSES), None)
    status, title = _STATUSES[kind] if kind is not None else (500, "Something went wrong")
    findings = getattr(error, "findings", ())
    return problem(
        status,
        title,
        error.code,
        error.detail,
        decision=getattr(error, "decision", None),
        errors=[_finding(item) for item in findings] if findings else None,
    )


def malformed(error: DocumentError) -> Malformed:
    """Return a document's error as one of ours, its findings with it."""
    if isinstance(error, InvalidDocument):
        findings = [Finding("shape", path, detail=words) for path, words in error.findings]
        return Malformed("the document does not have the right shape", code="malformed", findings=findings)
    return Malformed(str(error), code=error.code)


def _finding(item: Finding) -> dict[str, Any]:
    made: dict[str, Any] = {
        "rule": item.rule,
        "column": item.column,
        "count": item.count,
        "rows": list(item.rows),
    }
    if item.detail:
        made["detail"] = item.detail
    return made


def install(app: FastAPI) -> None:
    """Make the app answer every error as a problem."""

    @app.exception_handler(ConcordatError)
    async def _ours(_: Request, error: ConcordatError) -> JSONResponse:
        return of(error)

    @app.exception_handler(DocumentError)
    async def _document(_: Request, error: DocumentError) -> JSONResponse:
        return of(malformed(error))

    @app.exception_handler(RequestValidationError)
    async def _parameters(_: Request, error: RequestValidationError) -> JSONResponse:
        findings = [
            Finding("parameter", "/".join(str(part) for part in found["loc"]), detail=found["msg"])
            for found in error.errors()
        ]
        return of(Malformed("a parameter is malformed", code="bad_parameter", findings=findings))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        code = codes.get(error.status_code, "http_error")
        return problem(error.status_code, "Not possible", code, "there is nothing at this address for this method")


def unexpected(error: Exception, path: str) -> JSONResponse:
    """Return the problem of a fault of ours, and note its type and place.

    The error's own words may hold anything, cells among them, so nobody is told them: neither caller nor log.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown"
    _LOG.error("unexpected %s at %s in %s", type(error).__name__, where, path)
    return problem(500, "Something went wrong", "internal_error", "the fault is ours; it was noted")
