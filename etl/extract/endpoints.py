"""What the source has to read, each declared once; client, auth, paging and check go by it (pure)."""

from typing import NamedTuple


class Endpoint(NamedTuple):
    """A collection: its name in messages, the scope it needs, the wrappers its items come in, and where it is.

    No `path` means that links of items lead there.
    """

    name: str
    scope: str
    wrappers: tuple[str, ...]
    path: str = ""


# See docs.talkdesk.com/reference/get-list-of-imports.
IMPORTS = Endpoint("imports", "bulk-imports:read", ("imports",), "/bulk-imports/users")
# Documented as a link and nothing else; its scope is the list's for want of another.
RECORDS = Endpoint("records", "bulk-imports:read", ("records",))
# See docs.talkdesk.com/reference/get-a-list-of-case-fields.
CASE_FIELDS = Endpoint("case fields", "case-fields-public:read", ("fields", "case_fields"), "/cm/meta/va/fields")

ENDPOINTS = (IMPORTS, RECORDS, CASE_FIELDS)
SCOPES = tuple(dict.fromkeys(endpoint.scope for endpoint in ENDPOINTS))
