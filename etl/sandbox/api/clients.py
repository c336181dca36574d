"""The OAuth clients that the stand-in lets in."""

from dataclasses import dataclass, field

SCOPES = "bulk-imports:read case-fields-public:read users:read"


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """A registered client; with a public key (PEM) it may also sign assertions."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: str = SCOPES
    public_key: str | None = None
    key_id: str | None = None
