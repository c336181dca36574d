"""An account made up from a seed, as the API's answers in one file: nothing is left to compute when it is served."""

import random
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from tests.bench.sizes import Size
from tests.bench.trees import case_fields

IMPORTS = "/bulk-imports/users"
CASE_FIELDS = "/cm/meta/va/fields"

_BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
_TYPES = ("CREATE_USERS", "UPDATE_USERS", "DELETE_USERS")
_ROLES = ("agent", "supervisor", "administrator", "billing")
_GROUPS = ("sales", "support", "returns", "night", "emea", "latam", "priority", "overflow")
_GIVEN = ("Ana", "Bruno", "Carla", "Dinis", "Eva", "Filipe", "Gonçalo", "Helena", "Inês", "João", "Luísa", "Rui")
_FAMILY = ("Almeida", "Branco", "Cruz", "Duarte", "Esteves", "Fonseca", "Garcia", "Henriques", "Leal", "Moura")
_CELLS = ("email", "role", "extension", "ring_groups")


class Truth(NamedTuple):
    """What a warehouse holds after a sync of the account, and what reading it takes."""

    imports: int
    records: int
    line_sum: int
    errors: int
    fields: int
    nodes: int
    requests: int
    bytes: int


class Index(msgspec.Struct):
    """Where in the file each answer stands (offset, length), and the address that its links name."""

    port: int
    answers: dict[str, tuple[int, int]]

    @property
    def address(self) -> str:
        """The account's API."""
        return f"http://127.0.0.1:{self.port}"


class Account(NamedTuple):
    """An account on disk."""

    size: Size
    folder: Path
    truth: Truth


def answers_file(folder: Path) -> Path:
    """The answers, one behind the other, HTTP heads included."""
    return folder / "answers"


def read_index(folder: Path) -> Index:
    """The index of the account's answers."""
    return msgspec.json.decode((folder / "index.json").read_bytes(), type=Index)


def make_account(size: Size, folder: Path) -> Account:
    """Afterwards the account's answers are in the folder; the same size gives the same bytes but for the port."""
    rng = random.Random(size.seed)  # noqa: S311 - believable, not secret
    with _Writer(folder, free_port()) as writer:
        found = _Found()
        imports = [_import(writer, rng, size, number, found) for number in range(size.imports)]
        writer.add_list(IMPORTS, imports, name="imports", per_page=size.imports_per_page)
        writer.add(CASE_FIELDS, case_fields(rng, size))
    truth = Truth(
        imports=size.imports,
        records=size.records,
        line_sum=size.imports * size.records_each * (size.records_each + 1) // 2,
        errors=found.errors,
        fields=size.fields,
        nodes=size.nodes,
        requests=len(writer.index.answers),
        bytes=writer.body_bytes,
    )
    return Account(size, folder, truth)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class _Found:
    """What the dice decided."""

    errors = 0


class _Writer:
    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(parents=True)
        self.index = Index(port, {})
        self.body_bytes = 0
        self._folder = folder
        self._file = answers_file(folder).open("wb")
        self._encode = msgspec.json.Encoder().encode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        (self._folder / "index.json").write_bytes(self._encode(self.index))

    def add(self, target: str, value: object) -> None:
        body = self._encode(value)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.index.answers[target] = (self._file.tell(), len(head) + len(body))
        self._file.write(head.encode() + body)
        self.body_bytes += len(body)

    def add_list(self, path: str, items: Sequence[object], *, name: str, per_page: int) -> None:
        for page, links in _pages(f"{self.index.address}{path}", len(items), per_page):
            part = items[(page - 1) * per_page : page * per_page]
            counts = {"count": len(part), "total": len(items), "page": page, "per_page": per_page}
            target = path if page == 1 else f"{path}?page={page}"
            self.add(target, counts | {"_embedded": {name: part}, "_links": links})


def _pages(url: str, items: int, per_page: int) -> Iterator[tuple[int, dict[str, Any]]]:
    last = max(1, -(-items // per_page))
    for page in range(1, last + 1):
        around = {"self": page, "first": 1, "prev": page - 1, "next": page + 1, "last": last}
        links = {name: {"href": f"{url}?page={n}&per_page={per_page}"} for name, n in around.items() if 1 <= n <= last}
        yield page, links


def _import(writer: _Writer, rng: random.Random, size: Size, number: int, found: _Found) -> msgspec.Raw:
    """The item of the list; its records are written meanwhile."""
    import_id, submitter = f"{rng.getrandbits(96):024x}", f"{rng.getrandbits(96):024x}"
    born = _BEGIN + timedelta(hours=number)
    records = [_record(rng, number, line, born) for line in range(1, size.records_each + 1)]
    path = f"{IMPORTS}/{import_id}"
    writer.add_list(f"{path}/records", records, name="records", per_page=size.records_per_page)
    errors = [record["error"] for record in records if record["error"]]
    found.errors += sum(len(error["fields"]) for error in errors)
    canceled = number % 50 == 49
    item = {
        "id": import_id,
        "filename": f"people-{number:05d}.csv",
        "total_records": len(records),
        "completed_records": len(records) - len(errors),
        "failed_records": len(errors),
        "status": "CANCELED" if canceled else "COMPLETED_WITH_ERRORS" if errors else "COMPLETED",
        "type": _TYPES[number % 3],
        "created_by": submitter,
        "created_at": _text(born),
        "updated_by": submitter,
        "updated_at": _text(born + timedelta(minutes=15)),
        "canceled_by": submitter if canceled else None,
        "canceled_at": _text(born + timedelta(minutes=16)) if canceled else None,
        "_links": {
            "self": {"href": f"{writer.index.address}{path}"},
            "records": {"href": f"{writer.index.address}{path}/records"},
        },
    }
    return msgspec.Raw(msgspec.json.encode(item))


def _record(rng: random.Random, number: int, line: int, born: datetime) -> dict[str, Any]:
    fate, given, family = rng.random(), rng.choice(_GIVEN), rng.choice(_FAMILY)
    return {
        "id": _uuid(rng),
        "line": line,
        "status": "FAILED" if fate < 0.05 else "PENDING" if fate > 0.98 else "COMPLETED",
        "error": _error(rng, line) if fate < 0.05 else None,
        "data": {
            "email": f"{given}.{family}.{number}.{line}@example.com".lower(),
            "name": f"{given} {family}",
            "role": rng.choice(_ROLES),
            "extension": str(rng.randrange(1_000, 10_000)) if rng.random() < 0.7 else None,
            "ring_groups": rng.sample(_GROUPS, rng.randrange(4)),
        },
        "created_at": _text(born + timedelta(milliseconds=line)),
        "updated_at": _text(born + timedelta(seconds=line % 600, milliseconds=line)),
    }


def _error(rng: random.Random, line: int) -> dict[str, Any]:
    named = rng.sample(_CELLS, rng.randint(1, 2))
    return {
        "code": f"{rng.randrange(1_000_000, 10_000_000)}",
        "message": "this record was not accepted",
        "fields": [{"name": name, "description": f"line {line} has no usable {name}"} for name in named],
    }


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _text(instant: datetime) -> str:
    return f"{instant.isoformat(timespec='milliseconds')[:-6]}Z"
