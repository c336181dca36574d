"""Waiting for the source, and trying again what may pass by itself; a stop ends every wait."""

import logging
import random
import threading
from collections.abc import Callable
from operator import add
from typing import NamedTuple, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from etl.config import AccountSettings
from etl.errors import EtlError, Interrupted, NotFound, SourceMalformed, SourceRefused, SourceUnavailable
from etl.extract.circuit import CircuitBreaker

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_ATTEMPTS = 8
_back_off = wait_random_exponential(multiplier=0.5, max=30, min=0.05)


class Transient(Exception):
    """A failure that may pass by itself; carries what is raised when patience is at its end."""

    def __init__(self, error: EtlError, *, retry_after: float = 0) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


class Requests(NamedTuple):
    """What a client has done so far; the seconds are those in requests, summed over its threads."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds: float = 0.0


class Tally:
    """Counts that any thread may add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sum = Requests()

    def add(self, counts: Requests) -> None:
        """Add these to the sum."""
        with self._lock:
            self._sum = Requests(*map(add, self._sum, counts))

    @property
    def counts(self) -> Requests:
        """The sum as it stands."""
        return self._sum


class Patience:
    """How long and how often one account's source is asked; all threads share the ceiling and the tally."""

    def __init__(
        self,
        settings: AccountSettings,
        *,
        stop: threading.Event,
        sleep: Callable[[float], object],
        clock: Callable[[], float],
    ) -> None:
        self.stop = stop
        self.clock = clock
        self.tally = Tally()
        self._sleep = sleep
        self._timeout = settings.timeout
        self._retry_seconds = settings.retry_seconds
        self._gap = 1 / settings.requests_per_second if settings.requests_per_second else 0.0
        self._lock = threading.Lock()
        self._free_at = clock()

    def pause(self, seconds: float) -> None:
        """Sleep that long; raises Interrupted at once when asked to stop."""
        if seconds > 0:
            self._sleep(seconds)
        if self.stop.is_set():
            raise Interrupted("interrupted")

    def pace(self) -> None:
        """Keep one more request under the rate limit."""
        with self._lock:
            now = self.clock()
            begins = max(now, self._free_at)
            self._free_at = begins + self._gap
        self.pause(begins - now)

    def hold(self, seconds: float) -> None:
        """Hold back every thread's requests for that long, unless no request would be retried for so long."""
        if seconds <= self._retry_seconds:
            with self._lock:
                self._free_at = max(self._free_at, self.clock() + seconds)

    def circuit(self, **options: int) -> CircuitBreaker:
        """Return a circuit breaker with this much patience, closed."""
        return CircuitBreaker(self.clock, patience=self._retry_seconds, **options)

    def retry(
        self,
        attempt: Callable[[float], T],
        circuit: CircuitBreaker,
        *,
        prepare: Callable[[], object] = lambda: None,
    ) -> T:
        """Retry the attempt, with back-off; it is told how many seconds one exchange may take.

        Attempts are bounded in number and in time; the last failure says so.
        What is prepared before the first attempt takes nothing of that time.
        """
        patience = circuit.patience()
        prepare()
        begun = self.clock()

        def left() -> float:
            return begun + patience - self.clock()

        def sleep(seconds: float) -> None:
            self.pause(seconds)
            prepare()

        retrying = Retrying(
            sleep=sleep,
            wait=lambda state: _wait(state, left()),
            stop=lambda state: _is_over(state, left()),
            retry=retry_if_exception_type(Transient),
            before_sleep=self._note,
            reraise=True,
        )
        try:
            result = retrying(lambda: attempt(max(left(), self._timeout)))
        except Transient as failure:
            error = _given_up(failure, retrying.statistics["attempt_number"], left())
            circuit.given_up(error, begun=begun)
            raise error from None
        except (NotFound, SourceMalformed):  # an answer, if not what was asked for
            circuit.answered()
            raise
        except SourceRefused as error:
            circuit.refused(error)
            raise
        circuit.answered(attempts=retrying.statistics["attempt_number"])
        return result

    def _note(self, state: RetryCallState) -> None:
        log.info("%s attempt=%d wait=%.1f", _failure(state), state.attempt_number, state.upcoming_sleep)
        self.tally.add(Requests(retries=1))


def _failure(state: RetryCallState) -> Transient:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, Transient)  # noqa: S101 - nothing else is retried
    return failure


def _wait(state: RetryCallState, left: float) -> float:
    if asked := _failure(state).retry_after:
        # Slightly longer, and not all threads at the same instant.
        return asked * random.uniform(1, 1.05)  # noqa: S311
    return min(_back_off(state), max(left, 0))


def _is_over(state: RetryCallState, left: float) -> bool:
    return state.attempt_number >= MAX_ATTEMPTS or left <= 0 or _failure(state).retry_after > left


def _given_up(failure: Transient, attempts: int, left: float) -> EtlError:
    if failure.retry_after > left > 0:
        wait = f"asks to wait {failure.retry_after:.0f} s, TALKDESK_RETRY_SECONDS leaves {left:.0f} s"
        return SourceUnavailable(f"{failure}; {wait}")
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return type(failure.error)(f"{failure}; given up after {tries}")
