"""Work such as HTTP in daemon threads, while the caller waits in slices and so stays open to a stop."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, TypeVar

from etl.errors import Interrupted

T = TypeVar("T")
R = TypeVar("R")

SLICE_SECONDS = 0.1
DONE = object()


def parallel(call: Callable[[T], R], items: Iterable[T], *, workers: int, stop: threading.Event) -> Iterator[list[R]]:
    """Yield the results that are ready, at least one at a time, at most `workers` calls under way.

    The items, too, are drawn in the workers' threads, one at a time.
    Results that nobody takes hold the workers up, so memory is bounded.
    The first exception is raised here; `Interrupted` as soon as `stop` is set, whatever the calls still do.
    """
    source, lock = iter(items), threading.Lock()
    results: Queue[object] = Queue(maxsize=workers)
    abandoned = threading.Event()

    def draw_and_call() -> object:
        try:
            with lock:
                item = next(source, DONE)
            return DONE if item is DONE else call(item)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            return _Failure(error)

    def work() -> None:
        result = None
        while result is not DONE and not abandoned.is_set() and not stop.is_set():
            result = draw_and_call()
            _put(results, result, abandoned)

    try:
        for _ in range(workers):
            threading.Thread(target=work, daemon=True).start()
        yield from _ready(results, workers, stop)
    finally:
        abandoned.set()


def in_background(
    call: Callable[[], T],
    *,
    stop: threading.Event,
    seconds: float,
    discard: Callable[[T], object],
) -> T:
    """Run the call in a thread; waiting ends with `Interrupted` at a stop, with `TimeoutError` after that time.

    A result that comes too late is discarded.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            with suppress(InvalidStateError):
                future.set_exception(error)
            return
        try:
            future.set_result(result)
        except InvalidStateError:
            discard(result)

    threading.Thread(target=work, daemon=True).start()
    ends = time.monotonic() + seconds
    while not wait((future,), SLICE_SECONDS).done:
        is_late = stop.is_set() or time.monotonic() > ends
        if is_late and future.cancel():
            raise Interrupted("interrupted") if stop.is_set() else TimeoutError
    return future.result()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _put(results: "Queue[object]", result: object, abandoned: threading.Event) -> None:
    while not abandoned.is_set():
        try:
            results.put(result, timeout=SLICE_SECONDS)
        except Full:
            continue
        return


def _ready(results: "Queue[object]", workers: int, stop: threading.Event) -> Iterator[list[Any]]:
    while workers:
        batch = _take(results, stop)
        workers -= sum(result is DONE for result in batch)
        failure = next((result for result in batch if isinstance(result, _Failure)), None)
        if ready := [result for result in batch if result is not DONE and not isinstance(result, _Failure)]:
            yield ready
        if failure:
            raise failure.error


def _take(results: "Queue[object]", stop: threading.Event) -> list[object]:
    """Return at least one result, and all that are ready."""
    while not stop.is_set():
        try:
            batch = [results.get(timeout=SLICE_SECONDS)]
        except Empty:
            continue
        while len(batch) < results.maxsize:
            try:
                batch.append(results.get_nowait())
            except Empty:
                break
        return batch
    raise Interrupted("interrupted")
