"""Copies what the Talkdesk API shows only now, and only for 20 days, into Postgres, and keeps its history.

The house, from the front door down; a room imports only from those below it (an import contract checks it):

    cli.py          arguments in, one answer out, an exit code
    commands/       a file for each command that is not a sync: check, query, status, …, and the demo
    fleet/          the same over many machines: a queue and its workers, by Procrastinate
    sync/           pipeline (the story) · run (one account's run) · accounts (all of them) · turns · outcome
    verify/         the same reading held against what is stored, and nothing written
    report/         the page: figures and tables, made of the warehouse alone
    reading/        the one room that knows extract and transform; when a listing is whole, what is gone
    extract/        HTTP: addresses in, bodies out              (knows no row)
    transform/      items as the source sends them into rows    (pure)
    load/           rows into tables, true counts out           (knows no network)
    warehouse/      what everybody needs of the database: session, lock, ledger, tables, embedded/
    config/         settings from the environment, .env and TOML
    sandbox/        a stand-in for the API; uses nothing of the product but its errors
    errors.py inert.py rows.py packing.py jsontext.py instants.py threads.py    the ground: imported by all

Follow one record: sync/pipeline.py, reading/records.py, extract/paging.py, transform/records.py, load/records.py.
Follow one tree: sync/pipeline.py, reading/case_fields.py, transform/case_fields.py, transform/trees.py,
load/versioned.py. What a table holds stands in warehouse/tables.py, what an exit code means in errors.py.
"""

__version__ = "0.2.0"
