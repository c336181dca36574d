"""What an import did to its users, as far as it can be known: up to which instant their changes may be its own."""

from sqlalchemy import Connection

from etl.warehouse.sql import statements
from etl.warehouse.writing import write

SQL = statements("etl.load", "users.sql")


def note_users_read(connection: Connection, account: str) -> None:
    """Note of each import that is over that the users were read after it, whole; once, and only if they were before."""
    known = connection.execute(SQL["users_known"], {"account": account}).one()
    if known.since is not None:
        write(connection, SQL["note_users_read"], {"account": account, "known_since": known.since, "at": known.at})
