"""What the source has to read, each declared once; client, auth, paging and check go by it (pure)."""

from collections.abc import Collection
from typing import NamedTuple


class Endpoint(NamedTuple):
    """A collection: its name in messages, its part of an account, its scope, its items' wrappers, and where it is.

    No `path` means that links of items lead there.
    """

    name: str
    part: str
    scope: str
    wrappers: tuple[str, ...]
    path: str = ""
    accept: str = "application/json"


# See docs.talkdesk.com/reference/get-list-of-imports.
IMPORTS = Endpoint("imports", "imports", "bulk-imports:read", ("imports",), "/bulk-imports/users")
# Documented as a link and nothing else; its scope is the list's for want of another.
RECORDS = Endpoint("records", "imports", "bulk-imports:read", ("records",))
# In the OpenAPI bundle alone (bulk-imports-users-import-id-errors-get): a CSV, below the import's own address.
ERRORS_FILE = Endpoint("error file", "imports", "bulk-imports:read", (), accept="text/csv, */*;q=0.5")
# See docs.talkdesk.com/reference/get-a-list-of-case-fields.
CASE_FIELDS = Endpoint(
    "case fields", "case-fields", "case-fields-public:read", ("fields", "case_fields"), "/cm/meta/va/fields"
)
# See docs.talkdesk.com/reference/users. Only who asks for the users needs the scope.
USERS = Endpoint("users", "users", "users:read", ("users",), "/users")

ENDPOINTS = (IMPORTS, RECORDS, ERRORS_FILE, CASE_FIELDS, USERS)


def endpoints_of(parts: Collection[str]) -> tuple[Endpoint, ...]:
    """Return the endpoints of these parts of an account."""
    return tuple(endpoint for endpoint in ENDPOINTS if endpoint.part in parts)


def scopes_of(parts: Collection[str]) -> tuple[str, ...]:
    """Return the scopes that reading these parts needs, each once."""
    return tuple(dict.fromkeys(endpoint.scope for endpoint in endpoints_of(parts)))
