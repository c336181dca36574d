"""A private PostgreSQL for those who name none: started on demand, shared, its data kept between runs.

What lies in its home, private to the user:

    start.lock    held by whoever starts or stops the server
    users.lock    shared by those who use it; the last to leave stops it
    server.lock   inherited by every process of the server, so held exactly as long as one of them lives
    server.log    what initdb and the server said
    server/       data and socket; under root it belongs to the account that the server runs as, and is a link
                  into places.SHARED when that account cannot reach the home
    socket        only if the path of server/ is no name for a socket: a link to a private folder in /tmp

server: start and stop · places: what lies where · accounts: whom root lets run it · binaries: whose · locks
copies: a file of it and back · keeper: for clients that are not ours
"""

from etl.warehouse.embedded.server import running, start, stop

__all__ = ["running", "start", "stop"]
