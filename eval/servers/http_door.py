"""Requests to one server: bounded in time and size, no proxies, no redirects; what fails says who and why."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from eval.servers.faults import ServerFaultError, ServerRefusedError, shortened
from foundation.typed.json_values import parse_json

CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 60.0
MOST_JSON, MOST_BYTES = 64 * 2**20, 256 * 2**20
_AT_ONCE = 2**20


@dataclass(frozen=True)
class Answer:
    """A status, and the bytes that came with it."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Door:
    """A server's address. Each request is a connection of its own, so one that was restarted is no other."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def json(self, path: str, body: object = None, *, seconds: float = ANSWER_SECONDS) -> object:
        """What a GET answers, or a POST where there is a body. Raises ServerFaultError, or ServerRefusedError."""
        answer = self.ask(path, body, seconds=seconds, most=MOST_JSON)
        self.check(answer, path)
        try:
            return parse_json(answer.body) if answer.body else None
        except ValueError as error:
            raise ServerFaultError(f"{self.url}{path} answers with no JSON") from error

    def file(self, path: str, query: Mapping[str, str]) -> bytes:
        """A file. Raises as `json`."""
        answer = self.ask(path, query=query)
        self.check(answer, path)
        return answer.body

    def check(self, answer: Answer, path: str) -> None:
        """Raise for everything but 200."""
        if answer.status == 200:
            return
        if answer.status in (401, 403):
            raise ServerRefusedError(
                f"{self.url}: wants to know who asks ({answer.status}); give its token as `headers` in the SPEC"
            )
        if 300 <= answer.status < 400:
            raise ServerRefusedError(f"{self.url}: sends on to another address; give that one")
        if answer.status in (404, 405, 422):
            raise ServerRefusedError(
                f"{self.url}: knows no {path} ({answer.status}); is that server what it should be?"
            )
        raise ServerFaultError(f"{self.url}{path} answers {answer.status}: {shortened(answer.body[:300])}")

    def ask(
        self,
        path: str,
        body: object = None,
        *,
        seconds: float = ANSWER_SECONDS,
        most: int = MOST_BYTES,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer, whatever its status. Raises ServerFaultError where none comes."""
        parts = urlsplit(self.url)
        connection = self._connection(seconds)
        where = quote(parts.path + path, safe="/%") + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        sent = {**self.headers, **({"Content-Type": "application/json"} if data is not None else {})}
        until = time.monotonic() + seconds
        try:
            connection.request("GET" if data is None else "POST", where, data, sent)
            response = connection.getresponse()
            return Answer(response.status, self._read(response, most, until))
        except (OSError, http.client.HTTPException) as error:
            raise ServerFaultError(
                f"{self.url} does not answer ({shortened(error) or type(error).__name__})"
            ) from error
        finally:
            connection.close()

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=seconds, context=context)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)

    def _read(self, response: http.client.HTTPResponse, most: int, until: float) -> bytes:
        found = bytearray()
        while part := response.read(_AT_ONCE):
            found += part
            if len(found) > most:
                raise ServerFaultError(f"{self.url} answers with more than {most:,} bytes, which nothing asked for has")
            if time.monotonic() > until:
                raise ServerFaultError(f"{self.url} takes too long to answer")
        return bytes(found)
