"""Work in other threads: results as they are ready, bounded memory, and a stop that is noticed at once."""

import threading
import time
from collections.abc import Iterator

import pytest

from etl.errors import Interrupted
from etl.threads import in_background, parallel


def flat(batches: Iterator[list[int]]) -> list[int]:
    return [result for batch in batches for result in batch]


def test_every_item_is_worked_on_once() -> None:
    """Whatever the number of workers, each item's result comes back once."""
    results = flat(parallel(lambda number: number * 2, range(100), workers=7, stop=threading.Event()))

    assert sorted(results) == [number * 2 for number in range(100)]


def test_no_items_are_no_results() -> None:
    assert flat(parallel(lambda number: number, [], workers=3, stop=threading.Event())) == []


def test_calls_run_at_the_same_time_but_no_more_than_workers() -> None:
    """Four workers meet at a barrier of four, and nobody ever counts five."""
    barrier, lock, busy, most = threading.Barrier(4, timeout=5), threading.Lock(), 0, 0

    def call(number: int) -> int:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        barrier.wait()
        with lock:
            busy -= 1
        return number

    flat(parallel(call, range(16), workers=4, stop=threading.Event()))

    assert most == 4


def test_results_that_nobody_takes_hold_the_workers_up() -> None:
    """Of a million items only a handful are drawn while the consumer rests."""
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for number in range(1_000_000):
            drawn += 1
            yield number

    results = parallel(lambda number: number, items(), workers=2, stop=threading.Event())
    next(results)
    time.sleep(0.3)

    assert drawn < 20
    results.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_where_the_results_are_taken() -> None:
    def call(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match="3"):
        flat(parallel(call, range(10), workers=2, stop=threading.Event()))


def test_an_error_of_the_items_is_raised_too() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        flat(parallel(lambda number: number, items(), workers=3, stop=threading.Event()))


def test_a_stop_is_noticed_while_a_call_hangs() -> None:
    """The caller does not wait for a call that is stuck."""
    stop, stuck = threading.Event(), threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()

    with pytest.raises(Interrupted):
        flat(parallel(lambda _: stuck.wait(30), [1], workers=1, stop=stop))

    assert time.monotonic() - started < 2
    stuck.set()


def test_one_call_in_the_background() -> None:
    assert 42 == in_background(lambda: 42, stop=threading.Event(), seconds=5, discard=print)


def test_an_error_of_one_call_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0, stop=threading.Event(), seconds=5, discard=print)


@pytest.mark.parametrize(("stops", "raised"), [(True, Interrupted), (False, TimeoutError)])
def test_a_result_that_comes_too_late_is_discarded(*, stops: bool, raised: type[Exception]) -> None:
    """Whether it was not waited for because of a stop or of the time."""
    stop, answer, discarded = threading.Event(), threading.Event(), threading.Event()
    if stops:
        stop.set()
    with pytest.raises(raised):
        in_background(lambda: answer.wait(5), stop=stop, seconds=0.2, discard=lambda _: discarded.set())
    answer.set()

    assert discarded.wait(5)
