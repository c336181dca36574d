"""The tree of errors, named after what the operator does next; each class carries its exit code.

    EtlError
    ├── NotWritten               1  make room, or send the answer elsewhere
    ├── UsageError               2  change the command or the settings
    ├── SourceUnavailable        3  try again later
    │   └── OutOfTime            3  the account's time is over; the next run goes on from there
    ├── SourceRefused            4  fix credentials, scope or address
    │   └── NotFound             4  the source does not know this address (any more)
    ├── SourceMalformed          5  the source said something that cannot be understood
    │   ├── NotJson              5  … or that is no JSON at all, as a page of a proxy in between
    │   └── NotStorable          5  … or that Postgres cannot hold
    ├── DatabaseError            6  start, repair or migrate the database
    │   └── WarehouseReplaced    6  … which is not the one any more that the run began on
    ├── LockHeld                 7  wait for the other run
    ├── SourceChanged            8  name the account's own source, or accept the new one
    └── Interrupted            130  somebody asked the run to stop

`PARTLY_DONE` (8) and `FOUND` (9) are outcomes of a run; the one error with an 8 stops an account before it is touched.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

ISSUES = "https://github.com/talkdesk-etl/talkdesk-etl/issues"
DONE = 0
PARTLY_DONE = 8
FOUND = 9


class EtlError(Exception):
    """Something that the operator can act on; its text is one line, free of secrets and of people's data."""

    exit_code: ClassVar[int] = 1


class NotWritten(EtlError):
    """The answer could not be written where it was sent."""


class UsageError(EtlError):
    """The command or a setting is wrong."""

    exit_code = 2


class SourceUnavailable(EtlError):
    """The source cannot be reached or is overloaded; the same request may work later."""

    exit_code = 3


class OutOfTime(SourceUnavailable):
    """The account took longer than one run of it may."""


class SourceRefused(EtlError):
    """The source refused: credentials, scope or address are wrong."""

    exit_code = 4


class NotFound(SourceRefused):
    """The source does not know this address, or has forgotten it."""


class SourceMalformed(EtlError):
    """The source said something that cannot be understood."""

    exit_code = 5


class NotJson(SourceMalformed):
    """The source said something that is no JSON; the same request may bring some."""


class NotStorable(SourceMalformed):
    """The source said something that Postgres cannot hold."""


class DatabaseError(EtlError):
    """The warehouse cannot be reached, is not at head, or refuses."""

    exit_code = 6


class WarehouseReplaced(DatabaseError):
    """The database has forgotten the run: what it stored may be lost, and the next run puts it right."""


class LockHeld(EtlError):
    """Another sync of this account is at work."""

    exit_code = 7


class SourceChanged(EtlError):
    """What is to be read is not what the account was read from so far; nothing of it is stored."""

    exit_code = PARTLY_DONE


class Interrupted(EtlError):
    """Somebody asked the run to stop."""

    exit_code = 130


def named(error: Exception) -> EtlError:
    """Name what was caught at a border: itself if the operator can act on it, else its type and where it was raised.

    Its text may quote a row or a secret, so it is left out.
    """
    if isinstance(error, EtlError):
        return error
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace else ""
    return EtlError(f"unexpected {type(error).__name__}{place}: please report it, {ISSUES}")


def one_line(text: str) -> str:
    """Return the text without what would break the line or steer a terminal; ids come from the source."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


@dataclass(frozen=True)
class Failure:
    """Something that was not synced, and why."""

    account: str
    resource: str | None
    import_id: str | None
    exit_code: int
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return one of the `errors` that `sync --json` prints."""
        return dict(vars(self))


def failure_lines(failures: Iterable[Failure]) -> Iterator[str]:
    """Yield each reason in one line, with the first account and import that it befell and how many there are."""
    befallen: dict[tuple[str | None, str], list[Failure]] = {}
    for failure in failures:
        befallen.setdefault((failure.resource, failure.message), []).append(failure)
    for (resource, message), those in befallen.items():
        words = (
            _named("account", [each.account for each in those]),
            _named("resource", [resource]),
            _named("import", [each.import_id for each in those]),
            message,
        )
        yield one_line(" ".join(filter(None, words)))


def _named(what: str, names: Iterable[str | None]) -> str:
    several = list(dict.fromkeys(filter(None, names)))
    if len(several) > 1:
        return f"{what}s={len(several)} first={several[0]}"
    return f"{what}={several[0]}" if several else ""
