"""One bench run: its server, its accounts, and every measurement taken."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from tests.bench import warehouse
from tests.bench.contenders import Contender
from tests.bench.data import Account, make_account
from tests.bench.processes import Cost, busy_seconds, ended_children_seconds, in_own_process, run
from tests.bench.server import Api, Stats
from tests.bench.sizes import Size
from tests.bench.warehouse import Server, WalMark

LIMIT_SECONDS = 3_600.0


class Measured(NamedTuple):
    """One measurement; `seconds` of a floor are those of the part alone, of a program from its start to its end.

    `asked` is what the API saw of it, `said` what the program printed, `others_seconds` what programs that are not
    ours used of the processors meanwhile.
    """

    scenario: str
    size: str
    what: str
    seconds: float
    records: int = 0
    cpu_seconds: float | None = None
    server_cpu_seconds: float | None = None
    peak_mebibytes: float | None = None
    wal_bytes: int | None = None
    asked: Stats | None = None
    said: Any = None
    others_seconds: float = 0.0

    @property
    def is_calm(self) -> bool:
        """False if other programs may have made it slower."""
        return self.others_seconds < 0.1 * self.seconds + 0.1


class Bench:
    """What all scenarios share.

    `wrong` are the runs that did not leave the truth in their tables; `migrated` and `stored` are databases to copy.
    """

    def __init__(self, server: Server, folder: Path, say: Callable[[str], None]) -> None:
        self.server, self.folder = server, folder
        self.measured: list[Measured] = []
        self.wrong: list[str] = []
        mark = uuid4().hex[:8]
        self.migrated, self.stored = f"bench_migrated_{mark}", f"bench_stored_{mark}"
        self._say = say
        self._accounts: dict[Size, Account] = {}

    def prepare(self) -> None:
        """Afterwards there is a migrated database to make others from, and an empty folder to run in."""
        (self.folder / "empty").mkdir()
        migrate = (sys.executable, "-m", "etl", "migrate")
        cost = self.run(migrate, {"DATABASE_URL": self.server.make(self.migrated)})
        if cost.exit_code:
            raise RuntimeError(cost.complained)

    def finish(self) -> None:
        """Afterwards a server that outlives us holds nothing of this."""
        for name in (self.migrated, self.stored):
            self.server.drop(name)

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
        folder, others = self.account(size).folder, self._others_seconds()
        seconds = in_own_process(function, folder, *arguments)
        others = self._others_seconds() - others
        self.note(Measured(scenario, size.name, what, seconds, size.records, others_seconds=others))

    def contender(self, scenario: str, size: Size, contender: Contender, *, api: Api, database: str) -> None:
        """Measure the program from its start to its end, and count what it left in its tables."""
        mark, _ = WalMark(database), api.stats()
        before, others = warehouse.server_cpu_seconds(database), self._others_seconds()
        cost = self.run(contender.command(api.address, database), contender.environment(api.address, database))
        others, after = self._others_seconds() - others, warehouse.server_cpu_seconds(database)
        asked, wal_bytes = api.stats(), mark.bytes_since()
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
                peak_mebibytes=cost.peak_mebibytes,
                wal_bytes=wal_bytes,
                asked=asked,
                said=_json(cost.said),
                others_seconds=others - asked.cpu_seconds,
            )
        )

    def run(self, command: tuple[str, ...], environment: Mapping[str, str]) -> Cost:
        """Run the command in an empty folder, where no settings lie about."""
        return run(command, environment, self.folder / "empty", limit=LIMIT_SECONDS)

    def _others_seconds(self) -> float:
        """CPU seconds, so far, of programs that are not ours."""
        ours = ended_children_seconds() + (warehouse.server_cpu_seconds(self.server.url) or 0.0)
        return (busy_seconds() or ours) - ours

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
