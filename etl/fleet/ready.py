"""What must be so before a queue is worked with: a session of our own, the schema at head, and the queue there."""

import threading

from etl.fleet.schema import require_queue
from etl.warehouse import pooling
from etl.warehouse.connections import close, open_engine
from etl.warehouse.migrating import require_head
from etl.warehouse.sqlstates import translated


def require_ready(url: str, *, stop: threading.Event) -> None:
    """Raise with what to do unless the database can be worked with; a pooler in transaction mode cannot."""
    engine = open_engine(url, application_name="talkdesk-etl queue")
    with translated(), engine.connect() as connection:
        witness = pooling.require_own_session(connection, engine.connect, stop=stop)
        if witness is not None:
            close(witness)
        require_head(connection)
        with connection.begin():
            require_queue(connection)
