"""The identity service: who may have a token, what a token may do, and when it dies."""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import NamedTuple

from etl.sandbox.answers import Refusal, TokenRefusal
from etl.sandbox.api.clients import OAuthClient
from etl.sandbox.world.items import Item

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Grant(NamedTuple):
    """What a token allows, and until when by the service's clock."""

    scope: frozenset[str]
    dies_at: float


class Tokens:
    """Every token that is alive; safe to use from any thread."""

    def __init__(self, client: OAuthClient, *, life: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.client = client
        self.life = life
        self._clock = clock
        self._lock = Lock()
        self._grants: dict[str, Grant] = {}
        self._seen_assertions: set[str] = set()

    def answer(self, form: Mapping[str, str], *, authorization: str, token_url: str) -> Item:
        """A new token as the answer to a token request; raises TokenRefusal when there is none."""
        if "grant_type" not in form:
            raise TokenRefusal(400, "invalid_request", "grant_type is missing")
        if form["grant_type"] != "client_credentials":
            raise TokenRefusal(400, "unsupported_grant_type", "only client_credentials is served here")
        self._require_client(form, authorization, token_url)
        return self._issued(self._granted(form.get("scope", "")))

    def require(self, authorization: str, scope: str) -> None:
        """Raises Refusal unless the header carries a living token of that scope."""
        kind, _, token = authorization.partition(" ")
        with self._lock:
            grant = self._grants.get(token) if kind.lower() == "bearer" else None
        if grant is None or grant.dies_at <= self._clock():
            raise Refusal(401)
        if scope not in grant.scope:
            raise Refusal(403, description=f"the scope {scope} is needed")

    def restrict(self, token: str, scope: str) -> None:
        """The token allows this scope and nothing else."""
        with self._lock:
            self._grants[token] = self._grants[token]._replace(scope=frozenset(scope.split()))

    def revoke_all(self) -> None:
        """No token is alive."""
        with self._lock:
            self._grants.clear()

    def _issued(self, scope: str) -> Item:
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._grants[token] = Grant(frozenset(scope.split()), self._clock() + self.life)
        life = int(self.life) if self.life == int(self.life) else self.life
        return {"access_token": token, "token_type": "Bearer", "expires_in": life, "scope": scope}

    def _granted(self, wanted: str) -> str:
        held = self.client.scope.split()
        granted = [scope for scope in held if scope in (wanted.split() or held)]
        if not granted:
            raise TokenRefusal(400, "invalid_scope", "the client holds none of the scopes asked for")
        return " ".join(granted)

    def _require_client(self, form: Mapping[str, str], authorization: str, token_url: str) -> None:
        if form.get("client_assertion_type") == ASSERTION_TYPE:
            self._require_assertion(form.get("client_assertion", ""), token_url)
        elif not _same(_basic_pair(authorization), (self.client.client_id, self.client.client_secret)):
            raise TokenRefusal(401, "invalid_client", "the client is unknown or its secret is wrong")

    def _require_assertion(self, assertion: str, token_url: str) -> None:
        # Imported here: most who start the sandbox use the secret, and cryptography takes its time to load.
        from etl.sandbox.api.assertions import verified_claims  # noqa: PLC0415

        claims = verified_claims(assertion, self.client, token_url=token_url)
        with self._lock:
            if claims["jti"] in self._seen_assertions:
                raise TokenRefusal(401, "invalid_client", "the assertion was used before")
            self._seen_assertions.add(claims["jti"])


def _basic_pair(authorization: str) -> tuple[str, str]:
    kind, _, coded = authorization.partition(" ")
    try:
        pair = base64.b64decode(coded if kind.lower() == "basic" else "", validate=True).decode()
    except ValueError:
        return "", ""
    client_id, _, secret = pair.partition(":")
    return client_id, secret


def _same(given: tuple[str, str], known: tuple[str, str]) -> bool:
    return all(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, known, strict=True))
