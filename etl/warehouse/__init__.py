"""The database side that everybody needs who does not load: connections, session, ledger, tables, migrations."""
