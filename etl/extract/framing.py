"""Where an answer begins and ends (RFC 9110, 15.2; RFC 9112, 6 and 7): no request reads an answer that is not its own.

http.client reads over `100 Continue` only, takes a negative size of a chunk for a size, and lets go what it has
received beyond an answer's end.
"""

import io
import re
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead, parse_headers

MAX_INTERIM_ANSWERS = 64

_BUFFER_BYTES = 64 * 1024
_MAX_LINE_BYTES = 64 * 1024
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class FramingError(HTTPException):
    """Nobody can say where the answer ends; the words are ours."""


class RawAnswer(io.RawIOBase):
    """The bytes of a connection, for one answer."""

    has_ended = False
    is_over = False

    def has_pending(self) -> bool:
        """Tell whether the connection holds bytes that it has taken from its socket, as TLS does."""
        raise NotImplementedError


class Received(io.BufferedReader):
    """What has arrived of an answer; closed at the answer's end, it closes the connection if anything is left."""

    def __init__(self, raw: RawAnswer, close_connection: Callable[[], None]) -> None:
        super().__init__(raw, _BUFFER_BYTES)
        self._raw = raw
        self._close_connection = close_connection

    @property
    def has_ended(self) -> bool:
        """More was wanted, but the peer has closed the connection."""
        return self._raw.has_ended

    def close(self) -> None:
        """Close it: nothing of it can be read any more."""
        if not self.closed:
            self._raw.is_over = True
            if self.peek(1) or self._raw.has_pending():
                self._close_connection()
        super().close()


class FinalAnswer(HTTPResponse):
    """The final answer to one request, which ends where it says."""

    fp: Received

    def begin(self) -> None:
        """Status and headers are read, and where the body ends is known."""
        super().begin()
        if self.fp.has_ended:
            raise IncompleteRead(b"")
        codings = _elements(self.headers.get_all("Transfer-Encoding", []))
        lengths = set(_elements(self.headers.get_all("Content-Length", [])))
        if codings not in ([], ["identity"], ["chunked"]):
            raise FramingError("its transfer encoding is not known")
        if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise FramingError("its length is no number, or more than one")
        if codings and (lengths or self.version == 10):  # noqa: PLR2004 - as http.client writes HTTP/1.0
            self.will_close = True

    def _read_status(self) -> tuple[str, int, str]:
        """Return the final status line; the interim answers before it are read over."""
        for _ in range(MAX_INTERIM_ANSWERS + 1):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == HTTPStatus.SWITCHING_PROTOCOLS:
                raise FramingError("it went over to another protocol")
            if status >= HTTPStatus.OK:
                return version, status, reason
            parse_headers(self.fp)
        raise FramingError(f"more than {MAX_INTERIM_ANSWERS} interim answers before it")

    def _read_next_chunk_size(self) -> int:
        size = _CHUNK_SIZE.fullmatch(self.fp.readline(_MAX_LINE_BYTES))
        if size is not None:
            return int(size[1], 16)
        raise IncompleteRead(b"") if self.fp.has_ended else FramingError("the size of a chunk is no number")


def _elements(lines: list[str]) -> list[str]:
    return [element.strip().lower() for line in lines for element in line.split(",")]
