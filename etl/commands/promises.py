"""What each command's `--json` promises; written out, for a signal may end it while the types are half loaded."""

from typing import Any

NOTHING: dict[str, dict[str, Any]] = {
    "sync": {
        "run_id": None,
        "warehouse": None,
        "dry_run": False,
        "accounts": {},
        "skipped": [],
        "rejected": 0,
        "requests": 0,
        "seconds": 0.0,
        "stored_otherwise": {},
        "traffic": {},
    },
    "status": {"warehouse": None, "citus": None, "accounts": {}, "stale": [], "found": []},
    "verify": {"warehouse": None, "level": False, "differences": [], "compared": {}},
    "check": {"warehouse": None, "ok": False, "items": []},
    "accounts": {"warehouse": None, "accounts": {}},
    "tables": {"tables": [], "functions": []},
    "report": {"path": None, "bytes": 0, "accounts": [], "from": None, "to": None, "as_of": None},
    "worker": {"synced": 0, "failed": 0, "skipped": 0, "interrupted": 0, "seconds": 0.0},
    "enqueue": {"enqueued": 0, "already": 0},
    "dbt-sources": {"path": None, "accounts": [], "tables": 0, "yaml": None},
    "failed-rows": {"account": None, "import_id": None, "filename": None, "columns": [], "rows": []},
    "erase": {"dry_run": False, "values": 0, "accounts": {}, "still_at_source": []},
}
"""What `--json` promises of each command, if it failed before there was anything to say."""
