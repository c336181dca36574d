"""Telling a cron monitor (healthchecks.io and its kind) when a sync begins, and what it came to.

A monitor changes nothing: not the exit code, not what is synced, and it costs ten seconds at most. That it could not be
told is said once. Its address is a secret.
"""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from etl import config
from etl.commands.signals import INTERRUPTED, Stop
from etl.errors import DONE, EtlError, LockHeld, UsageError

if TYPE_CHECKING:
    from etl.sync.outcome import SyncOutcome

log = logging.getLogger(__name__)

MOST_SECONDS = 10.0
TIMEOUTS = (2.0, 3.0)
ATTEMPTS = 3
PAUSE_SECONDS = 0.3
UNREACHED = "the monitor of TALKDESK_PING_URL could not be told (%s): the sync is none the worse for it"


class Watch:
    """One call of the command, as the monitor sees it; `outcome` is what it came to, None while nobody knows.

    Without a URL nobody is told.
    """

    def __init__(self, url: str | None) -> None:
        self._url, self._rid = url, str(uuid4())
        self._seconds = MOST_SECONDS
        self._said = False
        self._last: threading.Thread | None = None
        self.outcome: SyncOutcome | None = None

    def begin(self) -> None:
        """Tell that it begins; nobody waits for the answer."""
        if self._url is not None:
            self._last = self._told("start", None)

    def end(self, code: int) -> None:
        """Tell what it came to; waits for the monitor as long as is left of its ten seconds."""
        if self._url is None:
            return
        said = self.outcome.to_json() if self.outcome else {"outcome": "failed", "exit_code": code}
        body = json.dumps(said).encode()
        if self._last is not None:
            self._await(self._last)
        self._await(self._told("log" if code == LockHeld.exit_code else str(code), body))

    def _told(self, what: str, body: bytes | None) -> threading.Thread:
        thread = threading.Thread(target=self._tell, args=(what, body), name="monitor", daemon=True)
        thread.start()
        return thread

    def _await(self, thread: threading.Thread) -> None:
        before = time.monotonic()
        thread.join(max(self._seconds, 0))
        self._seconds -= time.monotonic() - before
        if thread.is_alive():
            self._say("it does not answer in time")

    def _tell(self, what: str, body: bytes | None) -> None:
        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_SECONDS)
            why = _posted(f"{self._url}/{what}", {"rid": self._rid}, body)
            if not why:
                return
        self._say(why)

    def _say(self, why: str) -> None:
        if not self._said:
            self._said = True
            log.warning(UNREACHED, why)


def _posted(url: str, query: dict[str, str], body: bytes | None) -> str:
    """Post once; says why it did not arrive, and nothing of where. The answer's body is not looked at."""
    import requests  # noqa: PLC0415 - few have a monitor

    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        with requests.post(
            url, params=query, data=body, headers=headers, timeout=TIMEOUTS, allow_redirects=False, stream=True
        ) as answer:
            return "" if answer.ok and not answer.is_redirect else f"it answers {answer.status_code}"
    except requests.RequestException as error:
        return type(error).__name__
    except Exception:  # noqa: BLE001 - what libraries let out on odd bytes is on no list
        return "its answer is no HTTP"


@contextmanager
def watched(*, dry_run: bool) -> Iterator[Watch]:
    """Have a monitor watch what happens inside, if one is set; it learns of every end but a second signal's."""
    watch = Watch(None if dry_run else config.ping_url())
    watch.begin()
    code = UsageError.exit_code
    try:
        yield watch
        code = watch.outcome.exit_code if watch.outcome else DONE
    except EtlError as error:
        code = error.exit_code
        raise
    except Stop:
        code = INTERRUPTED
        raise
    except Exception:
        code = EtlError.exit_code
        raise
    finally:
        with suppress(Exception):
            watch.end(code)
