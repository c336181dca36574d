"""One bench run: its server, its accounts, and every measurement taken."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.bench import warehouse
from tests.bench.contenders import Contender
from tests.bench.data import Account, make_account
from tests.bench.processes import Cost, in_own_process, run
from tests.bench.server import Api, Stats
from tests.bench.sizes import Size
from tests.bench.warehouse import Server, WalMark

MIGRATED = "bench_migrated"
LIMIT_SECONDS = 3_600.0


class Measured(NamedTuple):
    """One measurement; `seconds` of a floor are those of the part alone, of a program from its start to its end.

    `asked` is what the API saw of it, `said` what the program printed.
    """

    scenario: str
    size: str
    what: str
    seconds: float
    records: int = 0
    cpu_seconds: float | None = None
    server_cpu_seconds: float | None = None
    peak_megabytes: float | None = None
    wal_bytes: int | None = None
    asked: Stats | None = None
    said: Any = None


class Bench:
    """What all scenarios share; `wrong` are the runs that did not leave the truth in their tables."""

    def __init__(self, server: Server, folder: Path, say: Callable[[str], None]) -> None:
        self.server, self.folder = server, folder
        self.measured: list[Measured] = []
        self.wrong: list[str] = []
        self._say = say
        self._accounts: dict[Size, Account] = {}

    def prepare(self) -> None:
        """Afterwards there is a migrated database to make others from, and an empty folder to run in."""
        (self.folder / "empty").mkdir()
        self.server.drop(MIGRATED)
        migrate = (sys.executable, "-m", "etl", "migrate")
        cost = self.run(migrate, {"DATABASE_URL": self.server.make(MIGRATED)})
        if cost.exit_code:
            raise RuntimeError(cost.complained)

    def account(self, size: Size) -> Account:
        """The account of this size, made at its first use."""
        if size not in self._accounts:
            self._say(f"making the account {size.name}: {size.records:,} records")
            self._accounts[size] = in_own_process(make_account, size, self.folder / size.name)
        return self._accounts[size]

    def note(self, measured: Measured) -> None:
        """Afterwards the measurement is part of the result."""
        self.measured.append(measured)
        self._say(f"{measured.scenario} {measured.size}: {measured.what} {measured.seconds:.3f} s")

    def floor(self, scenario: str, size: Size, what: str, function: Callable[..., float], *arguments: Any) -> None:
        """Measure a part of the job, in a process of its own."""
        seconds = in_own_process(function, self.account(size).folder, *arguments)
        self.note(Measured(scenario, size.name, what, seconds, size.records))

    def contender(self, scenario: str, size: Size, contender: Contender, *, api: Api, database: str) -> None:
        """Measure the program from its start to its end, and count what it left in its tables."""
        before, mark = warehouse.server_cpu_seconds(database), WalMark(database)
        api.stats()
        cost = self.run(contender.command(api.address, database), contender.environment(api.address, database))
        asked, wal_bytes, after = api.stats(), mark.bytes_since(), warehouse.server_cpu_seconds(database)
        self._require_right(scenario, size, contender, cost, database)
        self.note(
            Measured(
                scenario=scenario,
                size=size.name,
                what=contender.name,
                seconds=cost.seconds,
                records=size.records,
                cpu_seconds=cost.cpu_seconds,
                server_cpu_seconds=None if before is None or after is None else after - before,
                peak_megabytes=cost.peak_megabytes,
                wal_bytes=wal_bytes,
                asked=asked,
                said=_json(cost.said),
            )
        )

    def run(self, command: tuple[str, ...], environment: Mapping[str, str]) -> Cost:
        """Run the command in an empty folder, where no settings lie about."""
        return run(command, environment, self.folder / "empty", limit=LIMIT_SECONDS)

    def _require_right(self, scenario: str, size: Size, contender: Contender, cost: Cost, database: str) -> None:
        found: dict[str, Any] = {}
        with suppress(warehouse.Error):
            found = warehouse.row(database, contender.found)
        truth = self.account(size).truth._asdict()
        differing = {name: number for name, number in found.items() if number != truth[name]}
        if cost.exit_code or differing or not found:
            where = f"{scenario} {size.name}: {contender.name}"
            what = f"exit code {cost.exit_code}, wrong counts {differing}" if found else "no tables"
            self.wrong.append(f"{where}: {what}; {cost.complained[-500:]}")


def _json(said: str) -> Any:
    try:
        return msgspec.json.decode(said)
    except msgspec.DecodeError:
        return None
