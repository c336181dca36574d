"""The users of the stand-in: whoever submitted an import, and those whom the imports made, changed and removed."""

from collections.abc import Iterable
from random import Random

from etl.sandbox.world.items import Item
from etl.sandbox.world.moves import SYSTEM_USER, BulkImport
from etl.sandbox.world.people import hex_id, person

Users = dict[str, Item]

COLUMNS = {"Full Name": "name", "Email": "email", "External Phone Number": "external_phone_number"}


def users_of(imports: Iterable[BulkImport]) -> Users:
    """Everybody whom these imports, newest first, have brought about or were submitted by."""
    users: Users = {}
    for bulk_import in reversed(list(imports)):
        if isinstance(bulk_import.item, dict):
            add_submitter(users, bulk_import.item)
            carry_out(users, bulk_import)
    return users


def add_submitter(users: Users, item: Item) -> None:
    """Whoever submitted the import is a user."""
    user_id = item.get("created_by")
    if isinstance(user_id, str) and user_id not in {SYSTEM_USER, *users}:
        rng = Random(user_id)
        name, email = person(rng, rng.randint(2, 99))
        users[user_id] = made(user_id, created_at=item.get("created_at"), name=name, email=email)


def carry_out(users: Users, bulk_import: BulkImport) -> None:
    """What the completed records of the import ask for is done."""
    item = bulk_import.item
    for record in bulk_import.records:
        if isinstance(record, dict) and record.get("status") == "COMPLETED" and isinstance(record.get("data"), dict):
            _carry_out_one(users, str(item.get("type")), f"{item.get('id')} {record.get('line')}", record["data"], item)


def _carry_out_one(users: Users, type_: str, name: str, cells: Item, item: Item) -> None:
    said = {key: cells[column] for column, key in COLUMNS.items() if cells.get(column)}
    if type_ == "CREATE_USERS":
        user_id = hex_id(Random(name))
        extension = cells.get("Internal Extension", "")
        number = {"extension": int(extension)} if str(extension).isdigit() else {}
        users[user_id] = made(user_id, created_at=item.get("updated_at"), **said, **number)
        return
    found = next((each for each in users.values() if each.get("email") == cells.get("Current Email")), None)
    if found is None:
        return
    if type_ == "UPDATE_USERS":
        users[found["id"]] = found | said
    elif type_ == "DELETE_USERS":
        del users[found["id"]]


def made(user_id: str, *, created_at: object, **keys: object) -> Item:
    """A user as the API shows one."""
    return {"id": user_id, "active": True, "gender": "not_specified", "created_at": created_at} | keys
