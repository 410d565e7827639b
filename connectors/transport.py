"""HTTP calls to one broker: signed in, bounded, and repeated only where repeating is safe."""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from connectors.errors import LocalError, ProblemError, UnreachableError
from connectors.sign_in import SignIn
from schemas import strict_json
from schemas.errors import DocumentError

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of the largest answer that is read into memory."""

_TRANSIENT = frozenset({429, 502, 503, 504})
_UNAUTHENTICATED = 401
_OK = range(200, 300)
_MAX_WAIT = 60.0
_RANDOM = random.SystemRandom()

T = TypeVar("T")

Body = Callable[[], Iterator[bytes]]
"""Makes a call's body anew for each attempt."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently to repeat: exponential back-off with full jitter.

    Attributes:
        attempts: Repetitions after the first try.
        base: Seconds; the n-th wait is drawn from 0 to ``base * 2**n``.
        ceiling: Seconds that no wait exceeds, unless the broker itself names one (then 60).
        sleep: Waits so many seconds.
    """

    attempts: int = 5
    base: float = 0.25
    ceiling: float = 10.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, attempt: int, asked: float | None) -> float:
        """Return the seconds to wait before repetition ``attempt``, counted from 0."""
        if asked is not None:
            return min(asked, _MAX_WAIT)
        return _RANDOM.uniform(0, min(self.ceiling, self.base * 2**attempt))


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        repeatable: Whether sending it twice does what sending it once does: it changes nothing, HTTP says so,
            or it carries an Idempotency-Key.
        patience: Seconds to wait for the answer.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    repeatable: bool = False
    patience: float = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: httpx.Headers
    content: bytes

    def json(self) -> Any:
        """Return the answer's JSON, read strictly.

        Raises:
            UnreachableError: ``not_concordat``.
        """
        try:
            return strict_json.loads(self.content, max_bytes=MAX_ANSWER)
        except DocumentError as error:
            raise UnreachableError("not_concordat", f"the answer is not JSON: {error.detail}") from error


class Transport:
    """Sends calls to one broker. Not for several threads at once."""

    def __init__(
        self,
        http: httpx.Client,
        base_url: str,
        sign_in: SignIn,
        retry: Retry,
    ) -> None:
        """Begin; nothing is sent yet.

        Args:
            http: What carries the calls; it must not follow redirects, which could carry a token elsewhere.
            base_url: The broker's address.
            sign_in: Whoever has tokens.
            retry: How to repeat.
        """
        self._http = http
        self._base = base_url.rstrip("/")
        self._sign_in = sign_in
        self._retry = retry
        self.sleep = retry.sleep

    def send(self, call: Call) -> Answer:
        """Send a call and read its answer.

        Raises:
            ProblemError: The broker refused.
            UnreachableError: No answer, or none of a broker's.
        """

        def once() -> Answer:
            response = self._once(call)
            return Answer(response.status_code, response.headers, _read(response))

        return self._repeat(once, self._left(call), call.headers.get("Idempotency-Key"))

    def get(self, path: str, **params: str | int | None) -> Any:
        """Return the JSON at a path; parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self.send(Call("GET", path, given, repeatable=True)).json()

    @contextmanager
    def stream(self, call: Call) -> Iterator[Iterator[bytes]]:
        """Send a call and give its answer's bytes as they come.

        Raises:
            ProblemError: The broker refused.
            UnreachableError: No answer, none of a broker's, or one that breaks off.
        """
        response = self._repeat(lambda: self._once(call), self._left(call))
        try:
            yield response.iter_bytes(64 * 1024)
        except httpx.RequestError as error:
            raise self._unreachable(error, None) from None
        finally:
            response.close()

    def _left(self, call: Call) -> int:
        return self._retry.attempts if call.repeatable else 0

    def _repeat(self, action: Callable[[], T], left: int, key: str | None = None) -> T:
        """Do something until it works, at most ``left`` times again; then raise why it does not."""
        failure: ProblemError | UnreachableError
        for attempt in range(left + 1):
            try:
                return action()
            except httpx.RequestError as error:
                failure, asked = self._unreachable(error, key), None
            except _TransientError as error:
                failure, asked = error.failure, error.wait
                if isinstance(failure, UnreachableError):
                    failure.idempotency_key = key
            if attempt < left:
                self.sleep(self._retry.wait(attempt, asked))
        raise failure

    def _once(self, call: Call) -> httpx.Response:
        """Send once; a token that is no longer taken is renewed once, as nothing was done under it."""
        response = self._send(call)
        if response.status_code == _UNAUTHENTICATED and self._sign_in.renew():
            response.close()
            response = self._send(call)
        if response.status_code not in _OK:
            raise self._refusal(response)
        return response

    def _send(self, call: Call) -> httpx.Response:
        # A sign-in that is repeated takes a fresh assertion, so it may be, whatever the call.
        token = self._repeat(lambda: self._sign_in.token(self._exchange), self._retry.attempts)
        request = self._http.build_request(
            call.method,
            self._base + call.path,
            params=dict(call.params) or None,
            headers={**call.headers, "Authorization": f"Bearer {token}"},
            content=call.body() if call.body is not None else None,
            timeout=httpx.Timeout(call.patience, connect=10.0),
        )
        return self._http.send(request, stream=True, follow_redirects=False)

    def _exchange(self, form: Mapping[str, str]) -> Any:
        request = self._http.build_request("POST", self._base + "/oauth/token", data=dict(form))
        response = self._http.send(request, stream=True, follow_redirects=False)
        if response.status_code not in _OK:
            raise self._refusal(response)
        return Answer(response.status_code, response.headers, _read(response)).json()

    def _unreachable(self, error: httpx.RequestError, key: str | None) -> UnreachableError:
        # The error's own words can repeat a header; only its kind is told.
        if isinstance(error, httpx.TimeoutException):
            words = "did not answer in time"
        elif isinstance(error, httpx.ConnectError):
            words = "cannot be reached"
        else:
            words = "broke off the connection"
        said = f"{self._base} {words} ({type(error).__name__})"
        return UnreachableError("unreachable", said, idempotency_key=key)

    def _refusal(self, response: httpx.Response) -> Exception:
        """Return what to raise for an answer that is none."""
        failure = self._problem(response.status_code, _read(response))
        if response.status_code in _TRANSIENT:
            return _TransientError(failure, _retry_after(response.headers))
        return failure

    def _problem(self, status: int, content: bytes) -> ProblemError | UnreachableError:
        try:
            value = strict_json.loads(content)
        except DocumentError:
            value = None
        if not isinstance(value, dict) or not isinstance(value.get("code"), str):
            said = f"{self._base} answered {status}, not as a Concordat broker does"
            return UnreachableError("not_concordat", said)
        value = strict_json.loads(self._sign_in.scrub(content.decode()).encode())
        decision, errors = value.get("decision"), value.get("errors")
        return ProblemError(
            value["code"],
            str(value.get("detail", "")),
            title=str(value.get("title", "")),
            status=status,
            decision=decision if isinstance(decision, dict) else None,
            errors=[item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else (),
        )


class _TransientError(Exception):
    """A failure that may pass."""

    def __init__(self, failure: ProblemError | UnreachableError, wait: float | None) -> None:
        super().__init__()
        self.failure = failure
        self.wait = wait


def check_url(base_url: str, *, plain: bool = False) -> None:
    """Refuse what is no address, and one over which a token would travel in the open.

    Args:
        base_url: A broker's address.
        plain: Whether plain HTTP to other machines is allowed.

    Raises:
        LocalError: ``url_malformed``, or ``url_insecure``.
    """
    try:
        parts = urlsplit(base_url)
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
        raise LocalError("url_malformed", "a broker's address is https://host, with a path at most")
    host = parts.hostname or ""
    if parts.scheme == "http" and not plain and not _is_loopback(host):
        said = f"plain http to {host} would show the access token to the network; use https"
        raise LocalError("url_insecure", said)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    try:
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER:
                raise UnreachableError("answer_too_large", f"the answer is larger than {MAX_ANSWER} bytes")
    finally:
        response.close()
    return bytes(content)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Read Retry-After in seconds; as a date it is ignored."""
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
