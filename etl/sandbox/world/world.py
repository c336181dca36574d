"""What the stand-in knows: imports with their records, and case fields; a seed and an instant decide it."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from threading import RLock

from etl.sandbox.world import catalogue, moves
from etl.sandbox.world.history import past_imports
from etl.sandbox.world.items import Item
from etl.sandbox.world.moves import BulkImport
from etl.sandbox.world.people import hex_id
from etl.sandbox.world.users import Users, add_submitter, carry_out, users_of

RETENTION = timedelta(days=20)
NOTHING = timedelta(0)


class World:
    """The state of the source, safe to read and change from any thread.

    Nothing that was handed out ever changes: a change puts a new thing in the old one's place.
    The clock stands still at `now` until it is advanced, or runs with the machine's when no instant is given.
    """

    def __init__(
        self,
        *,
        imports: int = 60,
        records: int = 40,
        fields: int = 12,
        seed: int = 0,
        now: datetime | None = None,
    ) -> None:
        self._lock = RLock()
        self._rng = Random(seed)
        self._frozen_at = now
        self._ahead = NOTHING
        self._imports = past_imports(self._rng, count=imports, records=records, now=self.now())
        self._fields = catalogue.case_fields(fields, now=self.now())
        self._users: Users | None = None
        self._removed_fields: dict[str, tuple[int, Item]] = {}
        self._removed_entries: dict[tuple[str, tuple[str, ...]], tuple[int, Item]] = {}

    def now(self) -> datetime:
        """The instant by this world's clock."""
        return (self._frozen_at or datetime.now(UTC)) + self._ahead

    def advance(self, by: timedelta) -> None:
        """The clock is ahead by so much more; what is older than the retention is forgotten."""
        with self._lock:
            self._ahead += by

    def imports(self) -> list[BulkImport]:
        """Every import that is not forgotten, newest first."""
        with self._lock:
            oldest = self.now() - RETENTION
            return [bulk_import for bulk_import in self._imports if bulk_import.created_at >= oldest]

    def find_import(self, import_id: str) -> BulkImport:
        """The import with that id; KeyError when there is none or it is forgotten."""
        for bulk_import in self.imports():
            if bulk_import.id == import_id:
                return bulk_import
        raise KeyError(import_id)

    def case_fields(self) -> list[Item]:
        """Every case field, in the order of the account."""
        with self._lock:
            return list(self._fields)

    # Imports

    def add_import(
        self,
        *,
        status: str = "COMPLETED",
        records: int = 10,
        age: timedelta = NOTHING,
        **keys: object,
    ) -> str:
        """A new import stands first in the list, with all that belongs to that status; its id is returned.

        `keys` go into the item as they are: `id`, `type`, `filename`, or what no API ever sent.
        """
        with self._lock:
            created_at = self.now() - age
            type_ = str(keys.get("type", "CREATE_USERS"))
            user = hex_id(self._rng)
            new = moves.queued(self._rng, type_=type_, records=records, user=user, created_at=created_at)
            lived = moves.lived(new, self._rng, status=status, now=self.now())
            new = lived.with_keys({"status": status} | keys)
            self._imports.insert(0, new)
            if self._users is not None:
                add_submitter(self._users, new.item)
                carry_out(self._users, new)
            return new.id

    def put_import(self, item: object, records: Sequence[object] = (), *, age: timedelta = NOTHING) -> None:
        """An import stands first in the list exactly as given, whatever its item and its records are."""
        with self._lock:
            self._imports.insert(0, BulkImport(item, tuple(records), self.now() - age))

    @contextmanager
    def changing_import(self, import_id: str) -> Iterator[Item]:
        """The item, to be changed in place; it is served when the block ends."""
        with self._lock:
            item = copy.deepcopy(self.find_import(import_id).item)
            yield item
            self._move(import_id, lambda old: old._replace(item=item))

    def replace_records(self, import_id: str, records: Sequence[object]) -> None:
        """The import holds these records; its counters stay what they were."""
        self._move(import_id, lambda old: old._replace(records=tuple(records)))

    def start_import(self, import_id: str) -> None:
        """The import is in progress."""
        self._move(import_id, lambda old: moves.started(old, now=self.now()))

    def work_on_import(self, import_id: str, *, lines: int, failure_rate: float = 0.05) -> None:
        """The import is in progress, and so many more of its lines are done."""
        self._move(
            import_id,
            lambda old: moves.worked_on(old, self._rng, lines=lines, failure_rate=failure_rate, now=self.now()),
        )

    def finish_import(self, import_id: str, *, status: str | None = None) -> None:
        """The import ended with that status, or with the one that its records ask for; its users are as it says."""
        with self._lock:
            self._move(import_id, lambda old: moves.finished(old, status=status, now=self.now()))
            if self._users is not None:
                carry_out(self._users, self.find_import(import_id))

    def cancel_import(self, import_id: str, *, user: str = moves.SYSTEM_USER) -> None:
        """The import was canceled; what was not done stays undone."""
        self._move(import_id, lambda old: moves.canceled(old, user=user, now=self.now()))

    def forget(self, import_id: str) -> None:
        """The import is gone, as if its time had come."""
        with self._lock:
            gone = self.find_import(import_id)
            self._imports = [bulk_import for bulk_import in self._imports if bulk_import is not gone]

    def _move(self, import_id: str, change: Callable[[BulkImport], BulkImport]) -> None:
        with self._lock:
            old = self.find_import(import_id)
            place = next(number for number, known in enumerate(self._imports) if known is old)
            self._imports[place] = change(old)

    # Users

    def users(self) -> list[Item]:
        """Every user, the newest last."""
        with self._lock:
            return list(self._known_users().values())

    def put_user(self, user: Item) -> None:
        """The user is the last of the account, or stands in place of the one with that id, exactly as given."""
        with self._lock:
            self._known_users()[str(user.get("id"))] = user

    @contextmanager
    def changing_user(self, user_id: str) -> Iterator[Item]:
        """The user, to be changed in place; it is served when the block ends."""
        with self._lock:
            user = copy.deepcopy(self._known_users()[user_id])
            yield user
            self._known_users()[user_id] = user

    def remove_user(self, user_id: str) -> None:
        """The user is gone from the account."""
        with self._lock:
            del self._known_users()[user_id]

    def _known_users(self) -> Users:
        """Made when somebody first asks: most who hold a world never do."""
        if self._users is None:
            self._users = users_of(self._imports)
        return self._users

    # Case fields

    def put_field(self, field: Item) -> None:
        """The field is the last of the account, exactly as given."""
        with self._lock:
            self._fields.append(field)

    @contextmanager
    def changing_field(self, field_key: str) -> Iterator[Item]:
        """The field, to be changed in place; it is served when the block ends."""
        with self._lock:
            place = catalogue.place(self._fields, field_key)
            field = copy.deepcopy(self._fields[place])
            yield field
            self._fields[place] = field

    def rename_field(self, field_key: str, name: str) -> None:
        """The field has another name."""
        with self.changing_field(field_key) as field:
            field |= {"name": name, "updated_at": catalogue.day_stamp(self.now())}

    def remove_field(self, field_key: str) -> None:
        """The field is gone from the account."""
        with self._lock:
            place = catalogue.place(self._fields, field_key)
            self._removed_fields[field_key] = (place, self._fields.pop(place))

    def restore_field(self, field_key: str) -> None:
        """A removed field is back, in its place."""
        with self._lock:
            self._fields.insert(*self._removed_fields.pop(field_key))

    def rename_entry(self, field_key: str, path: Sequence[str], label: str) -> None:
        """The entry has another label and still its key."""
        with self._changing_siblings(field_key, path) as entries:
            entry = entries[catalogue.place(entries, path[-1])]
            entry["lable" if "lable" in entry else "value"] = label

    def add_entry(self, field_key: str, path: Sequence[str], label: str) -> None:
        """A new entry stands last among its siblings; its key is the last of the path."""
        with self._changing_siblings(field_key, path) as entries:
            entries.append({"key": path[-1], "value": label})

    def remove_entry(self, field_key: str, path: Sequence[str]) -> None:
        """The entry is gone, and everything below it."""
        with self._changing_siblings(field_key, path) as entries:
            place = catalogue.place(entries, path[-1])
            self._removed_entries[field_key, tuple(path)] = (place, entries.pop(place))

    def restore_entry(self, field_key: str, path: Sequence[str]) -> None:
        """A removed entry is back in its place, and everything below it."""
        with self._changing_siblings(field_key, path) as entries:
            entries.insert(*self._removed_entries.pop((field_key, tuple(path))))

    @contextmanager
    def _changing_siblings(self, field_key: str, path: Sequence[str]) -> Iterator[list[Item]]:
        with self.changing_field(field_key) as field:
            yield catalogue.siblings(field, path)
            field["updated_at"] = catalogue.day_stamp(self.now())
