"""The same over many machines: a queue in the warehouse's database, and workers that take accounts from it.

The engine is Procrastinate (extra `worker`), in a schema of its own. The queue decides nothing about an account:
whether it is due and free is asked of the ledger and its lock, as a sync from cron asks it. What a job came to stands
in the ledger, too; a job that failed is not tried again, the next tick is the retry.

    schema       the queue's tables, made and kept at this version's
    connecting   how the queue's connections are opened
    ready        what must be so before a queue is worked with
    tasks        the application: what may be asked for, and what is done at every tick
    working      one machine's worker
    enqueueing   asking for a sync or a backfill by name
"""
