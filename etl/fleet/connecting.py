"""The queue's connections: Procrastinate's SQL carries no schema, so each of them looks in the queue's alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from procrastinate import PsycopgConnector, SyncPsycopgConnector

from etl.fleet.schema import SCHEMA
from etl.warehouse import settings
from etl.warehouse.connections import conninfo

if TYPE_CHECKING:
    import psycopg

MOST_CONNECTIONS = 4
OPEN_SECONDS = 10.0
IN_QUEUE: Mapping[str, str] = {**settings.PINNED, "search_path": SCHEMA}


def async_connector(url: str) -> PsycopgConnector:
    """Return a worker's connector, which keeps few connections."""
    return PsycopgConnector(configure=_settle_async, **_pool(url))


def connector(url: str) -> SyncPsycopgConnector:
    """Return the connector of who only asks for something."""
    return SyncPsycopgConnector(configure=_settle, **_pool(url))


def _pool(url: str) -> dict[str, Any]:
    return {
        "conninfo": conninfo(url, "talkdesk-etl queue"),
        "kwargs": {"prepare_threshold": None},
        "min_size": 1,
        "max_size": MOST_CONNECTIONS,
        "timeout": OPEN_SECONDS,
    }


async def _settle_async(connection: "psycopg.AsyncConnection[Any]") -> None:
    await connection.execute(settings.PIN, (False, list(IN_QUEUE), list(IN_QUEUE.values())))
    await connection.commit()


def _settle(connection: "psycopg.Connection[Any]") -> None:
    connection.execute(settings.PIN, (False, list(IN_QUEUE), list(IN_QUEUE.values())))
    connection.commit()
