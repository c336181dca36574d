"""The other process: answers on every channel it was given, and ends as soon as one of them is closed.

It imports neither the network's nor the database's libraries, and never sees the token.
"""

import gc
import os
import selectors
import signal
import socket
import sys
from typing import NoReturn

from etl.reading.worker.messages import ERRORS, Answer, Channel, Question
from etl.reading.worker.page import flatten
from etl.transform.records import RecordFlattener


def main() -> None:
    """Serve the channels, file descriptors among the arguments; one thread, for two would only take turns."""
    # Who started us says when to end, whatever the terminal or the service manager sends to all of us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    gc.set_threshold(100_000, 50, 1000)  # as in etl.cli
    try:
        channels = [Channel(socket.socket(fileno=int(number))) for number in sys.argv[1:]]
        sys.stdout.write("ready")
        sys.stdout.flush()
        _serve(channels)
    finally:  # our user is gone, no memory is left, or anything else: who waits for an answer has to notice
        os._exit(1)


def _serve(channels: list[Channel]) -> NoReturn:
    flatteners: dict[Channel, RecordFlattener] = {}
    with selectors.DefaultSelector() as selector:
        for channel in channels:
            selector.register(channel, selectors.EVENT_READ, channel)
        while True:
            for (
                key,
                _,
            ) in selector.select():  # one question at a time: none stays unseen in a buffer
                channel, question = key.data, key.data.question()
                if question.begin is not None:
                    flatteners[channel] = RecordFlattener(*question.begin)
                channel.answer(_answer(flatteners[channel], question))


def _answer(flattener: RecordFlattener, question: Question) -> Answer:
    try:
        return Answer(flatten(flattener, question.body))
    except tuple(ERRORS.values()) as error:
        return Answer(None, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - raised again on the other side; a traceback might show somebody's data
        return Answer(None, type(error).__name__)
