"""Made-up people as lines of a user file: believable at a glance, and nobody's data."""

import unicodedata
from random import Random

from etl.sandbox.world.items import Item

GIVEN = (
    "Alice", "Amélie", "Bruno", "Carla", "Chidi", "Daan", "Eleni", "Fatima", "Hugo", "Inês", "João", "Kavya",
    "Liam", "Márcia", "Mehmet", "Nora", "Oksana", "Paulo", "Rui", "Sofia", "Tiago", "Wei", "Yara", "Zoë",
)  # fmt: skip
FAMILY = (
    "Almeida", "Bauer", "Carvalho", "Dubois", "Eriksen", "Ferreira", "García", "Haddad", "Ivanova", "Johnson",
    "Kowalski", "Lopes", "Müller", "Nguyen", "O'Brien", "Okafor", "Pereira", "Rossi", "Santos", "Yilmaz",
)  # fmt: skip
RING_GROUPS = ("agents", "Billing", "Sales EMEA", "Suporte PT", "Tier 2", "Weekend")
ERRORS = (
    ("email_taken", "Email is already in use", "Email", "belongs to another user of this account"),
    ("email_invalid", "Email is not valid", "Email", "is not an address"),
    ("user_not_found", "There is no such user", "Current Email", "matches no user of this account"),
    ("ring_group_invalid", "Ring group is not valid", "Ring Groups", "holds a name that is too long"),
    ("extension_taken", "Extension is already assigned", "Internal Extension", "belongs to another user"),
    ("licence_missing", "No licence is left", None, "free or buy a licence and import this line again"),
)


def hex_id(rng: Random) -> str:
    """An id in the form of 24 hexadecimal digits."""
    return f"{rng.getrandbits(96):024x}"


def pending_record(rng: Random, line: int, type_: str) -> Item:
    """One line of the file, not worked on yet; line 1 of the file is its header."""
    return {"id": hex_id(rng), "line": line, "status": "PENDING", "data": _cells(rng, line, type_)}


def record_error(rng: Random, type_: str) -> Item:
    """A reason for which a line of such a file fails, in the form of the API's other errors."""
    wanted = {"CREATE_USERS": ERRORS[:2] + ERRORS[3:], "UPDATE_USERS": ERRORS[:5]}.get(type_, ERRORS[2:3])
    code, message, column, text = rng.choice(wanted)
    error: Item = {"code": code, "message": message, "description": f"{column or 'The line'} {text}"}
    return error | ({"fields": [{"name": column, "description": text}]} if column else {})


def _cells(rng: Random, line: int, type_: str) -> dict[str, str]:
    name, email = person(rng, line)
    if type_ == "DELETE_USERS":
        return {"Current Email": email}
    cells = {"Full Name": name, "Email": email, "Ring Groups": _ring_groups(rng), "Agent Activation": "true"}
    if type_ == "UPDATE_USERS":
        return {"Current Email": email} | cells
    return cells | {"Internal Extension": str(2000 + line), "External Phone Number": _phone(rng)}


def person(rng: Random, line: int) -> tuple[str, str]:
    """A name, and an address that nobody else has in a file of such lines."""
    given, family = rng.choice(GIVEN), rng.choice(FAMILY)
    return f"{given} {family}", f"{_ascii(given)}.{_ascii(family)}{line}@example.com"


def _ascii(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return letters.replace("'", "").lower()


def _ring_groups(rng: Random) -> str:
    return ", ".join(rng.sample(RING_GROUPS, rng.randint(1, 3)))


def _phone(rng: Random) -> str:
    # 555-0100 to 555-0199 belong to nobody: they are set aside for fiction.
    return f"+1202555{rng.randint(100, 199):04d}"
