"""What people would pick instead, each in an environment of its own, with the fastest settings that were found."""

import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

from tests.bench.contenders import Contender

DLT = ("dlt[postgres,parquet]==1.31.0", "adbc-driver-postgresql==1.13.0", "adbc-driver-manager==1.13.0")
SINGER = ("singer-sdk==0.54.9", "meltanolabs-target-postgres==0.8.1")
VERSIONS = ", ".join((*DLT, *SINGER))

_HERE = Path(__file__).parent


def contenders(build: Path) -> tuple[Contender, ...]:
    """The peers, installed below `build` if they are not there yet."""
    return dlt(_environment(build / "dlt", DLT)), singer(_environment(build / "singer", SINGER))


def dlt(programs: Path) -> Contender:
    """The REST source of dlt: Parquet files, nothing unnested, pages fetched in parallel."""

    def environment(api: str, database: str) -> Mapping[str, str]:
        return {
            "API": api,
            "STATE": urlsplit(database).path.strip("/"),
            # It wants a host and a password; the host of the query, a socket, is the one that libpq takes.
            "DESTINATION__POSTGRES__CREDENTIALS": database.replace("@/", ":none@localhost/"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "EXTRACT__WORKERS": "8",
            "NORMALIZE__WORKERS": "2",
            "LOAD__WORKERS": "8",
            "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
            "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "100000",
        }

    command = (str(programs / "python"), str(_HERE / "peer_dlt.py"))
    return Contender("dlt", lambda _api, _database: command, environment, _FOUND)


def singer(programs: Path) -> Contender:
    """A tap on the Singer SDK piped into target-postgres with COPY, big batches and no checks."""

    def environment(api: str, database: str) -> Mapping[str, str]:
        return {
            "API": api,
            "TARGET_POSTGRES_SQLALCHEMY_URL": database.replace("postgresql:", "postgresql+psycopg:"),
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "peer",
            "TARGET_POSTGRES_LOAD_METHOD": "upsert",
            "TARGET_POSTGRES_USE_COPY": "true",
            "TARGET_POSTGRES_VALIDATE_RECORDS": "false",
            "TARGET_POSTGRES_ADD_RECORD_METADATA": "false",
            "TARGET_POSTGRES_ACTIVATE_VERSION": "false",
            "TARGET_POSTGRES_BATCH_SIZE_ROWS": "50000",
        }

    pipe = '"$1" "$2" | "$3" --config=ENV'
    tap = (str(programs / "python"), str(_HERE / "peer_tap.py"))
    command = ("/bin/sh", "-c", pipe, "sh", *tap, str(programs / "target-postgres"))
    return Contender("singer", lambda _api, _database: command, environment, _FOUND)


def _environment(folder: Path, packages: Iterable[str]) -> Path:
    """The folder with the programs of a virtual environment that holds these packages."""
    programs, made = folder.resolve() / "bin", folder / "made"
    wanted = "\n".join(packages)
    if not made.exists() or made.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([programs / "python", "-m", "pip", "install", "-q", *packages], check=True, stdout=sys.stderr)
        made.write_text(wanted)
    return programs


_FOUND: LiteralString = """
    SELECT (SELECT count(*) FROM peer.imports) AS imports,
           count(DISTINCT id) AS records,
           sum(line)::bigint AS line_sum,
           (SELECT count(*) FROM peer.case_fields) AS fields
    FROM peer.records
"""
