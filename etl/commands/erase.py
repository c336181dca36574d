"""One person gone: the values come on stdin and stand in no process list, no history, no log and no answer."""

import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine

from etl import load
from etl.config import AccountSettings
from etl.errors import DONE, PARTLY_DONE, EtlError, Failure, UsageError, one_line
from etl.load import Wanted
from etl.reading.reader import privacy_of
from etl.sync.outcome import say_failures
from etl.warehouse import sqlstates
from etl.warehouse.accounts import stored_accounts
from etl.warehouse.session import Warehouse
from etl.warehouse.writing import comparing

KINDS = {
    "records": ("record", "records"),
    "errors": ("error", "errors"),
    "rejected": ("rejected item", "rejected items"),
    "users": ("user", "users"),
}
"""What is counted, as people say it of one and of several."""


@dataclass
class Erasure:
    """What was erased, or would be, by account; and the imports that the source still has."""

    dry_run: bool
    values: int
    accounts: dict[str, dict[str, int]] = field(default_factory=dict)
    still_at_source: list[dict[str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 8 if some accounts failed and others did not."""
        if not self.failures:
            return DONE
        return PARTLY_DONE if self.accounts else self.failures[0].exit_code

    def to_json(self) -> dict[str, Any]:
        """Return the answer of `erase --json`."""
        return {
            "dry_run": self.dry_run,
            "values": self.values,
            "accounts": self.accounts,
            "still_at_source": self.still_at_source,
            "errors": [failure.to_json() for failure in self.failures],
        }

    def lines(self) -> Iterator[str]:
        """Yield the answer for people."""
        word = "would be erased" if self.dry_run else "erased"
        for account, counts in self.accounts.items():
            found = ", ".join(
                f"{number:,} {one if number == 1 else several}"
                for kind, (one, several) in KINDS.items()
                if (number := counts[kind])
            )
            yield f"{one_line(account)}: {found or 'nothing'} {word}"
        for each in self.still_at_source:
            yield f"the source still has import {one_line(each['import_id'])} of {one_line(each['account'])}"


def read_values() -> list[str]:
    """Read the values from stdin, one a line."""
    if sys.stdin.isatty():
        sys.stderr.write("values to erase, one a line; end with Ctrl-D\n")
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("stdin is not in UTF-8: give the values in it, one a line") from None
    values = list(dict.fromkeys(line.strip() for line in text.split("\n") if line.strip()))
    if not values:
        raise UsageError("there is no value on stdin: give those to erase, one a line")
    return values


def erase(
    engine: Engine,
    column: str,
    values: Collection[str],
    *,
    names: Sequence[str],
    configured: Mapping[str, AccountSettings],
    dry_run: bool,
    stop: threading.Event,
) -> Erasure:
    """Erase whoever has such a cell, in one transaction an account; no sync of it is at work meanwhile."""
    engine = comparing(engine) if dry_run else engine
    erasure = Erasure(dry_run, len(values))
    for account in _chosen(engine, names):
        wanted = Wanted(values, _digests(values, configured.get(account)))
        try:
            counts, left = _erase_one(engine, account, column, wanted, stop)
        except EtlError as error:
            erasure.failures.append(Failure(account, None, None, error.exit_code, str(error)))
            continue
        erasure.accounts[account] = counts
        erasure.still_at_source += [{"account": account, "import_id": import_id} for import_id in left]
    say_failures(erasure.failures)
    return erasure


def _chosen(engine: Engine, names: Sequence[str]) -> list[str]:
    with sqlstates.translated(), engine.connect() as connection:
        stored = stored_accounts(connection)
    if unknown := [name for name in names if name not in stored]:
        raise UsageError(
            f"account {', '.join(map(one_line, unknown))} is not in the warehouse; {', '.join(stored) or 'none'} is"
        )
    return list(dict.fromkeys(names)) or stored


def _digests(values: Collection[str], settings: AccountSettings | None) -> set[str]:
    """Return what the values are where the account's settings have cells hashed."""
    if settings is None or not (privacy := privacy_of(settings)).hashes:
        return set()
    spellings = {spelling for value in values for spelling in (value, value.lower(), value.upper(), value.title())}
    return {privacy.digest(spelling) for spelling in spellings}


def _erase_one(
    engine: Engine, account: str, column: str, wanted: Wanted, stop: threading.Event
) -> tuple[dict[str, int], list[str]]:
    def unit(connection: Connection) -> tuple[dict[str, int], list[str]]:
        person = load.find_person(connection, account, column, wanted)
        return person.counts(), load.erase_person(connection, account, column, person)

    with closing(Warehouse(engine, account, run_id=f"erase {uuid4().hex[:8]}", stop=stop)) as warehouse:
        warehouse.open()
        return warehouse.transact(unit)
