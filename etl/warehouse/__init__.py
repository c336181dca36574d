"""What everybody needs of the database; and how a sync stays right whatever becomes of the database, or of itself.

OVERVIEW. A sync holds one lock for its account and keeps one row for its run. It works in short transactions, each of
which leaves the warehouse whole: an import is marked as loaded in the transaction that stores its records. So a run may
end anywhere, and the next one goes on from there. All that has to be guarded is that no two write at once, that nothing
is done twice or left out by a lost connection, and that the ledger says what is true.

THE LOCK is an advisory lock of the session (session.py): it is free as soon as the session ends, whatever ended it,
and no cleaning up is needed. A sync waits for it two seconds at most, and then leaves (7) without a row; one that has
other accounts to sync does not wait, and looks under the lock whether the account is still due. It is worth nothing
where sessions are shared, so a pooler in transaction mode is refused before anything is locked (pooling.py), and each
transaction begins by asking which process serves it (connections.py): not the one that holds the lock, no work.

THE RUN, by its row in talkdesk.sync_runs (ledger.py); only who holds the lock writes it:

    (none)      the lock is not held yet; or a dry run, which never has a row
    running     on record, from the first transaction on
    succeeded, partial, failed, interrupted      closed by the run itself, in its last transaction
    died        closed by the next run of the account, which had the lock and so knew that nobody was at work

A LOST CONNECTION is replaced within fifteen seconds, by a session that ends what is left of the old one, takes the lock
again, and requires that all is as it was; who decides is `Warehouse._require_the_run`:

    the run is `died`               another run came in between: what this one read is old, and stays unwritten (7)
    no row, or another database, or the last transaction that wrote is not committed
                                    the database is older than the run (a failover, a copy): the run has failed, and so
                                    the account, whatever it had counted (6); nothing more is marked, the next run reads
                                    what is missing, because imports that are not there or not loaded are pending
    otherwise                       the transaction under way is judged, and the run goes on

COMMITTED OR NOT. The number of the transaction is read before COMMIT. If the answer is lost, the server is asked what
became of that number: `committed`, and its result stands; anything else, and the unit runs again. A unit therefore has
no effect but on the database, and its counts are added when it has come back. A transaction that wrote nothing has no
number, and simply runs again.

WHO GIVES UP, AND WHEN (guard.py). A thread asks every five seconds, while a statement runs, whether the server still
answers: through a new connection; behind a pooler, which answers for itself, through a second session kept for it. No
answer for five seconds, and the session is cut: with the fifteen to reconnect that is below the half minute of the
contract. A pooler with no second session to give cannot be seen through; its own time limits hold there.
A commit that waits for a synchronous standby is said at once, and after fifteen seconds more no longer waited for: it
is done on the primary, where it stands with the marks and the row that belong to it, so nothing is claimed that is not
so. The run ends as failed or partial (6, 8), is closed without waiting, and no other account begins.
A stop cancels the statement, then cuts the session, within two seconds.

ONE SESSION OR THE DATABASE. A session that was ended (a time limit, an administrator) costs at most its own account;
only a connection that cannot be made ends the accounts after it.

WHAT THE HOUSE SETS. Roles, databases, URLs and variables turn settings; those that matter are pinned at the beginning
of each transaction (settings.py), and a sync's session keeps them in between. Nothing stays in a session lent by a
pooler.

THE SCHEMA is at head, or nothing begins (migrating.py). Who migrates waits for a lock that ends with the transaction.
"""
