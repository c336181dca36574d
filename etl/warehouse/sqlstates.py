"""Database errors in words, matched by SQLSTATE or class, never by text."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError

from etl.errors import DatabaseError, EtlError, NotStorable, one_line

# Classes and codes of SQLSTATE that mean the end of the connection: the network, a shutdown, somebody's time limit.
LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03")

NOT_STORABLE = frozenset({"22", "54"})  # data exceptions, program limits

# While items are being stored, an error is held to be an item's own (its value, its length, a customer's constraint or
# trigger: 22, 23, 54, P0, XX000 and whatever code a trigger makes up), unless its code speaks of something else:
NOT_OF_THE_ITEM = (
    *LOST,
    "0A",  # what the server cannot do at all
    "25",  # the transaction: read-only, or over
    "28",  # the login
    "34",  # a cursor, savepoint, database or schema that is not there
    "3B",
    "3D",
    "3F",
    "40",  # deadlocks and conflicts, which are tried again
    "42",  # rights; tables and columns that are not there
    "53",  # disk full, no connection left
    "55",  # locked by somebody
    "57",  # the server is ended or starts
    "58",  # its files
    "F0",  # its configuration
    "XX001",  # data and indexes that are damaged
    "XX002",
)
# … of which these may be for one item alone: it takes longer than statement_timeout, or more memory than there is.
OF_THE_ITEM = ("57014", "53200")

NAMES_OBJECTS = ("0A", "2B", "3F", "42", "55")
"""Classes whose messages, while the schema is changed, name parts of it alone."""

WORDS: dict[str, str] = {
    "08": "the database cannot reach one of its own servers: is every worker running?",
    "22": "a value does not fit into its column",
    "22P05": "the encoding of the database lacks a character: UTF8 has all",
    "54": "a value is larger or deeper than the database can hold",
    "23": "a constraint of the table refuses it",
    "P0": "a trigger or function refuses it",
    "XX000": "it is more than the database can take in",
    "28": "the database refused the login: check user and password",
    "3D000": "the database does not exist: create it, or correct DATABASE_URL",
    "42501": "the role lacks a right: `talkdesk-etl check` says which a sync needs",
    "42P01": "the schema is not complete: restore it from a backup, or rename it and begin anew",
    "3F000": "the schema does not exist: run `talkdesk-etl migrate`",
    "25006": "the database is read-only",
    "25P04": "a transaction took longer than transaction_timeout allows: raise it for this role",
    "53100": "the database's disk is full",
    "53200": "the database is out of memory",
    "53300": "the database has no connection left",
    "55P03": "a table is locked by somebody else: see pg_stat_activity, then try again",
    "57014": "the statement was cancelled by the database: see statement_timeout",
    "40": "the database ended a deadlock or a conflict: try again",
    "0A000": "the database cannot do what is asked",
}


class Denied(DatabaseError):
    """The role lacks a right."""


@contextmanager
def translated() -> Iterator[None]:
    """Translate an error of the driver into a `DatabaseError`, or `NotStorable`: one line that says what to do."""
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        raise _kind(error)(describe(error)) from None


def _kind(error: BaseException) -> type[EtlError]:
    state = getattr(driver_error(error), "sqlstate", None) or ""
    if state[:2] in NOT_STORABLE:
        return NotStorable
    return Denied if is_denied(error) else DatabaseError


def driver_error(error: BaseException) -> psycopg.Error | None:
    """Return the psycopg error inside, if there is one."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return original if isinstance(original, psycopg.Error) else None


def is_denied(error: BaseException) -> bool:
    """Tell whether the role lacks a right."""
    return isinstance(error, Denied) or getattr(driver_error(error), "sqlstate", None) == "42501"


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection is gone, so that a new one may do."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    found = driver_error(error)
    if found is not None and found.sqlstate:
        return found.sqlstate.startswith(LOST) and not is_of_another_server(found)
    return isinstance(found, psycopg.OperationalError | psycopg.InterfaceError)


def is_of_another_server(error: psycopg.Error) -> bool:
    """Tell whether our server said that it lost one of its own (Citus: a worker), which ends no connection of ours."""
    return (error.sqlstate or "").startswith("08") and error.diag.severity_nonlocalized == "ERROR"


def is_of_the_item(error: BaseException) -> bool:
    """Tell whether the error is the fault of an item that was being stored, so that others may do."""
    state = getattr(driver_error(error), "sqlstate", None) or ""
    if not state or is_lost(error):
        return False
    return state.startswith(OF_THE_ITEM) or not state.startswith(NOT_OF_THE_ITEM)


def may_pass(error: BaseException) -> bool:
    """Tell whether the same transaction may succeed when it is tried again: lost, or the victim of a deadlock."""
    found = driver_error(error)
    return is_lost(error) or (found is not None and (found.sqlstate or "").startswith("40"))


def describe(error: BaseException) -> str:
    """Return one line about a driver's error, without row values or secrets."""
    found = driver_error(error)
    if found is None:
        return "the database reported an error without a name"
    if is_lost(error):
        return f"the database cannot be reached: {_first_line(found)}; is it running, and is DATABASE_URL right?"
    state = found.sqlstate or ""
    words = WORDS.get(state) or WORDS.get(state[:2]) or "the database reported an error"
    return f"{words} (SQLSTATE {state}, {type(found).__name__})"


def object_met(error: BaseException) -> str:
    """Return what a statement of a migration ran into, in the server's words, which name the object and no row."""
    found = driver_error(error)
    if found is None or not (found.sqlstate or "").startswith(NAMES_OBJECTS):
        return ""
    said = (found.diag.message_primary, found.diag.message_detail if (found.sqlstate or "")[:2] == "2B" else None)
    return one_line("; ".join(" ".join(part.split()) for part in said if part))


def _first_line(error: psycopg.Error) -> str:
    """Describe a connection error: it names host, port and cause, and no values."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
