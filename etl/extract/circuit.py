"""Circuit breaker: an outage of an endpoint is noticed once for all items and threads, not once for each."""

import threading
from collections.abc import Callable

from etl.errors import EtlError

MAX_TRIES = 4
MIN_GRACE_SECONDS = 5.0
PROBE_SECONDS = 30.0
RENEWALS_IN_VAIN = 12
RENEWALS_PER_ANSWER = 2
"""Where every third request kills all tokens, eight threads renew one more often than they are answered."""


class CircuitBreaker:
    """What is known of one endpoint's health, for all threads of an account.

    closed     an item is retried for TALKDESK_RETRY_SECONDS; in all, no more than twice that is spent in vain
    open       an item's retries were in vain: every other one is tried once, for it may be that item's own failure
    tripped    several were tried in vain for as long again: the rest fails at once, for the same reason,
               but for a probe from time to time

    Any answer closes it.
    """

    def __init__(self, clock: Callable[[], float], *, patience: float, tries: int = MAX_TRIES) -> None:
        self._clock = clock
        self._patience = patience
        self._tries = tries
        self._grace = max(patience, MIN_GRACE_SECONDS) if tries > 1 else 0.0
        self._lock = threading.Lock()
        self._failure: EtlError | None = None
        self._is_open = False
        self._in_vain = 0
        self._trips_at = 0.0
        self._spent = 0.0
        self._spent_until = clock()
        self._renewals = 0

    def patience(self) -> float:
        """For how many seconds the next item may be retried; raises the failure that is known once it has tripped."""
        with self._lock:
            if self._failure is not None and self._in_vain >= self._tries and self._clock() >= self._trips_at:
                self._require_probe(self._failure)
                return 0.0
            return 0.0 if self._is_open else min(self._patience, max(2 * self._patience - self._spent, 0.0))

    def _require_probe(self, failure: EtlError) -> None:
        """Raise unless it is time for the next probe."""
        now = self._clock()
        if now < self._trips_at + PROBE_SECONDS:
            raise type(failure)(str(failure))
        self._trips_at = now

    def answered(self, *, attempts: int = 1) -> None:
        """Close the circuit breaker; where a retry has helped, retries are worth their time again."""
        if self._failure is None and attempts == 1 and not self._renewals:
            return  # as nearly always, and without a lock
        with self._lock:
            self._failure, self._is_open, self._in_vain = None, False, 0
            self._renewals = max(self._renewals - RENEWALS_PER_ANSWER, 0)
            self._spent = self._spent if attempts == 1 else 0.0

    def refused(self, failure: EtlError) -> None:
        """Count an item that failed for good as tried in vain, which costs no patience."""
        with self._lock:
            self._note(failure)

    def given_up(self, failure: EtlError, *, begun: float) -> None:
        """Open it: an item was retried in vain since `begun`. What threads spend side by side is spent once."""
        with self._lock:
            self._note(failure)
            self._is_open = True
            now = self._clock()
            self._spent += now - max(begun, self._spent_until)
            self._spent_until = now

    def may_renew(self) -> bool:
        """Tell whether one more token may be asked for because one was refused here; each answer allows more."""
        with self._lock:
            self._renewals += 1
            return self._renewals <= RENEWALS_IN_VAIN

    def _note(self, failure: EtlError) -> None:
        if self._failure is None:
            self._trips_at = self._clock() + self._grace
        self._failure = self._failure or failure
        self._in_vain += 1
