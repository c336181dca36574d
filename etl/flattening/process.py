"""The process beside us: answers on every line it was given, and ends as soon as one of them is closed.

It imports neither the network's nor the database's libraries, and never sees the token.
"""

import gc
import os
import signal
import socket
import sys
import threading
from typing import NoReturn

from etl.flattening.page import flatten
from etl.flattening.wire import ERRORS, Answer, Line, Question
from etl.transformer import RecordFlattener


def main() -> None:
    """Serve the lines, file descriptors among the arguments."""
    # Who started us says when to end, whatever the terminal or the service manager sends to all of us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    gc.set_threshold(100_000, 50, 1000)  # as in etl.cli
    try:
        lines = [Line(socket.socket(fileno=int(number))) for number in sys.argv[1:]]
        for line in lines[1:]:
            threading.Thread(target=_serve, args=(line,)).start()
        _serve(lines[0])
    finally:
        os._exit(1)


def _serve(line: Line) -> NoReturn:
    """Whatever ends this, no memory left or our user gone, ends all: who waits for an answer has to notice."""
    try:
        flattener = RecordFlattener("")
        while True:
            question = line.question()
            if question.begin is not None:
                flattener = RecordFlattener(*question.begin)
            line.answer(_answer(flattener, question))
    finally:
        os._exit(1)


def _answer(flattener: RecordFlattener, question: Question) -> Answer:
    try:
        return Answer(flatten(flattener, question.body))
    except tuple(ERRORS.values()) as error:
        return Answer(None, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - raised again on the other side; a traceback might show somebody's data
        return Answer(None, type(error).__name__)
