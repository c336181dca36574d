"""What the two processes say to each other: frames of MessagePack over a socket, a question and its answer in turn."""

import socket
import struct
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from etl.errors import NotJson, SourceMalformed
from etl.reading.worker.page import FlatPage
from etl.transform.privacy import Privacy

BUFFER_BYTES = 64 * 1024
"""A page of a hundred records goes through in one piece."""

_LENGTH = struct.Struct("!Q")


class Begin(NamedTuple):
    """The import whose pages follow, and what may be kept of its records."""

    import_id: str
    privacy: Privacy


class Question(NamedTuple):
    """The body of a page, and with the first page of an import how it begins."""

    body: bytes
    begin: Begin | None


class Answer(NamedTuple):
    """The page, or why there is none: the name of one of `ERRORS` or of something unexpected, and its text."""

    page: FlatPage | None
    error: str = ""
    text: str = ""


ERRORS: dict[str, type[SourceMalformed]] = {each.__name__: each for each in (NotJson, SourceMalformed)}

_encode = msgspec.msgpack.Encoder().encode
_decode_question = msgspec.msgpack.Decoder(Question).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


class Channel:
    """One end of a connection; what it says and hears raises OSError or EOFError once the other end is gone.

    `is_idle`: nothing is under way on it.
    """

    def __init__(self, end: socket.socket) -> None:
        self.is_idle = True
        self._number = end.fileno()
        self._stream = cast("BinaryIO", end.makefile("rwb", buffering=BUFFER_BYTES))
        end.close()  # the stream keeps it open

    def fileno(self) -> int:
        """The connection's file descriptor, for a selector."""
        return self._number

    def ask(self, question: Question) -> Answer:
        """The other end's answer."""
        self.is_idle = False
        self._send(question)
        answer = _decode_answer(self._receive())
        self.is_idle = True
        return answer

    def question(self) -> Question:
        """What the other end asks next."""
        return _decode_question(self._receive())

    def answer(self, answer: Answer) -> None:
        """Afterwards the question is answered."""
        self._send(answer)

    def close(self) -> None:
        """The other end finds us gone."""
        with suppress(OSError):  # what was still to be sent is of no use to anybody
            self._stream.close()

    def _send(self, what: Any) -> None:
        frame = _encode(what)
        self._stream.write(_LENGTH.pack(len(frame)))
        self._stream.write(frame)
        self._stream.flush()

    def _receive(self) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return self._exactly(length)

    def _exactly(self, number: int) -> bytes:
        found = self._stream.read(number)
        if len(found) < number:
            raise EOFError
        return found
