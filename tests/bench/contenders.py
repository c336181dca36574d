"""Who is measured: how each is called, and what is in its tables afterwards."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import LiteralString, NamedTuple

CONCURRENCY = 8


class Contender(NamedTuple):
    """A program that copies an account; `found` is a query whose columns are named like those of `Truth`."""

    name: str
    command: Callable[[str, str], tuple[str, ...]]
    environment: Callable[[str, str], Mapping[str, str]]
    found: LiteralString


def product(*arguments: str, name: str = "talkdesk-etl", concurrency: int = CONCURRENCY) -> Contender:
    """The sync of this product, as cron would call it."""

    def environment(api: str, database: str) -> dict[str, str]:
        return {
            "DATABASE_URL": database,
            "TALKDESK_ACCOUNT": "bench",
            "TALKDESK_API_URL": api,
            "TALKDESK_TOKEN_URL": f"{api}/oauth/token",
            "TALKDESK_CLIENT_ID": "bench",
            "TALKDESK_CLIENT_SECRET": "bench",
            "TALKDESK_CONCURRENCY": str(concurrency),
        }

    command = (sys.executable, "-m", "etl", "sync", "--json", *arguments)
    return Contender(name, lambda _api, _database: command, environment, _FOUND)


def product_of_many(folder: Path, accounts: int, *arguments: str, name: str) -> Contender:
    """The sync of so many accounts, all of them read from the same API."""

    def environment(api: str, database: str) -> dict[str, str]:
        file = folder / "accounts.toml"
        keys = {"api_url": api, "token_url": f"{api}/oauth/token", "client_id": "bench", "client_secret": "bench"}
        lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
        file.write_text("".join(f"[accounts.bench-{number}]\n{lines}" for number in range(accounts)))
        return {"DATABASE_URL": database, "TALKDESK_ETL_CONFIG": str(file)}

    command = (sys.executable, "-m", "etl", "sync", "--json", *arguments)
    return Contender(name, lambda _api, _database: command, environment, _FOUND_OF_FIRST)


def plain_script() -> Contender:
    """The script that needs no product."""
    script = str(Path(__file__).with_name("plain_script.py"))
    return Contender(
        "plain script",
        lambda api, database: (sys.executable, script, api, database),
        lambda _api, _database: {},
        _FOUND_BY_SCRIPT,
    )


_FOUND = """
    SELECT (SELECT count(*) FROM talkdesk.imports) AS imports,
           count(*) AS records,
           coalesce(sum(line), 0)::bigint AS line_sum,
           (SELECT count(*) FROM talkdesk.import_record_errors) AS errors,
           (SELECT count(*) FROM talkdesk.case_fields WHERE removed_at IS NULL) AS fields,
           (SELECT count(*) FROM talkdesk.case_field_entries WHERE removed_at IS NULL) AS nodes
    FROM talkdesk.import_records
    WHERE status IS DISTINCT FROM 'STORED'
"""
_FOUND_OF_FIRST = "SELECT count(*) AS imports FROM talkdesk.imports WHERE account = 'bench-0'"
_FOUND_BY_SCRIPT = """
    SELECT (SELECT count(*) FROM imports) AS imports,
           count(*) AS records,
           sum(line)::bigint AS line_sum,
           (SELECT count(*) FROM case_fields) AS fields,
           (SELECT count(*) FROM options) AS nodes
    FROM records
"""
