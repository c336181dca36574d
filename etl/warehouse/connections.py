"""Connections to the warehouse, its migrations, and database errors in words.

Errors are matched by SQLSTATE or class, never by text, and a driver's message is never passed on whole:
it may quote row values.
"""

from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

SESSION = {
    "timezone": "UTC",
    "search_path": "",  # every name in our SQL carries its schema
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "idle_session_timeout": "0",  # a sync's lock lives in a session that waits for the source
    # A machine that vanished must not keep the lock for hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
NETWORK = {  # a server that vanished without a word is noticed soon enough to be given up within half a minute
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 11_000,
}
SET = """
    SELECT pg_catalog.set_config(name, value, false)
    FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS given (name, value)
"""


def open_engine(url: str, *, application_name: str = "talkdesk-etl") -> Engine:
    """An engine without a pool: one process needs one connection, and a dead one must not come back."""

    def connect() -> psycopg.Connection[Any]:
        given = conninfo_to_dict(url)
        wanted: dict[str, str | int] = {**NETWORK, "application_name": application_name}
        defaults = {name: value for name, value in wanted.items() if name not in given}
        # Packed rows and JSON are UTF-8, whatever the URL, a variable or the role asks for.
        info = make_conninfo(url, **defaults, client_encoding="UTF8")
        connection = psycopg.connect(info, autocommit=True, prepare_threshold=None)
        try:
            _set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    # Nothing to reset: a connection that comes back is closed, and one that was lost could only complain.
    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool, pool_reset_on_return=None)


def _set_up(connection: "psycopg.Connection[Any]") -> None:
    connection.execute(SET, (list(SESSION), list(SESSION.values())))
    with suppress(pg.InvalidParameterValue):  # a server on Windows cannot look whether we are still there
        connection.execute(SET, (["client_connection_check_interval"], ["500ms"]))
    connection.autocommit = False
