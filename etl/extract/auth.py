"""Access tokens: renewed ahead of their end and after a refusal, by one thread for all."""

import math
import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import requests
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from etl.config import AccountSettings
from etl.errors import SourceMalformed, SourceRefused, SourceUnavailable
from etl.extract.endpoints import USERS, scopes_of
from etl.extract.retrying import Patience, Transient
from etl.extract.transport import Answer, Transport, place

ASSERTION_SECONDS = 300
# docs.talkdesk.com/docs/authenticating-requests-and-authenticating-via-appconnect
_USUAL_LIFE = 600.0
_MAX_SAID_BYTES = 10_000
# Renewal is relative to the life: some tokens live for a second.
_USED_SHARE = 0.9
_OLD_SHARE = 0.5
_NOT_ABOUT_SCOPE = frozenset({"invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"})


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: msgspec.Raw = msgspec.Raw(b"null")
    scope: msgspec.Raw = msgspec.Raw(b"null")


class _Refused(msgspec.Struct):
    error: str = ""


class _Token(NamedTuple):
    text: str
    asked_at: float
    life: float

    def has_used(self, share: float, now: float) -> bool:
        return now - self.asked_at >= share * self.life


class TokenProvider:
    """The access token of one account; `missing_scopes` are those that the last answer did not grant."""

    def __init__(
        self,
        settings: AccountSettings,
        transport: Transport,
        patience: Patience,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.missing_scopes: frozenset[str] = frozenset()
        self._settings = settings
        self._transport = transport
        self._patience = patience
        self._wall_clock = wall_clock
        self._wanted = scopes_of(settings.parts)
        self._wishes = _wishes(self._wanted)
        self._lock = threading.Lock()
        self._circuit = patience.circuit(tries=1)
        self._token: _Token | None = None

    def token(self) -> str:
        """Return a token with a tenth of its life left at least; takes one where there is none."""
        token = self._token
        if token is None or token.has_used(_USED_SHARE, self._patience.clock()):
            token = self._renewed(token)
        return token.text

    def renew(self, stale: str, may_ask: Callable[[], bool]) -> str | None:
        """Renew the token `stale`; None if one would have to be asked for and that may not be."""
        token = self._token
        if token is not None and token.text != stale:
            return token.text
        renewed = self._renewed(token, may_ask)
        return renewed.text if renewed is not token else None

    def is_old(self, token: str) -> bool:
        """Tell whether more than half of this token's life is over, so that a refusal may be due to its age."""
        current = self._token
        return current is None or current.text != token or current.has_used(_OLD_SHARE, self._patience.clock())

    def _renewed(self, stale: _Token | None, may_ask: Callable[[], bool] = lambda: True) -> _Token:
        """Return a token taken after `stale`, by this thread or by another; `stale` itself if none may be asked for."""
        with self._lock:
            if self._token is not None and (self._token is not stale or not may_ask()):
                return self._token
            # Whoever waited while another failed fails with the same words: the circuit trips at the first failure.
            self._token = self._patience.retry(self._ask, self._circuit)
            return self._token

    def _ask(self, seconds: float) -> _Token:
        asked_at = self._patience.clock()
        answer = self._post(seconds)
        while len(self._wishes) > 1 and (_is_about_scope(answer) or self._asks_for_more(answer)):
            del self._wishes[0]
            answer = self._post(seconds)
        if not answer.is_success:
            raise self._failed(answer)
        granted = self._granted(answer)
        scopes = _scopes(granted.scope)
        if scopes is None and self._wishes[0]:
            scopes = frozenset(self._wishes[0].split())
        if scopes is not None:
            self.missing_scopes = frozenset(self._wanted) - scopes
        return _Token(granted.access_token, asked_at, _life(granted.expires_in))

    def _asks_for_more(self, answer: Answer) -> bool:
        """Tell whether a scope beyond the others may be what is refused: one that is new acts after some minutes."""
        return answer.status == HTTPStatus.UNAUTHORIZED and USERS.scope in self._wishes[0].split()

    def _post(self, seconds: float) -> Answer:
        url = self._settings.token_url
        body = prepare_token_request("client_credentials", "", scope=self._wishes[0])
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        auth = _client_auth(self._settings, issued_at=int(self._wall_clock()))
        _, headers, body = auth.prepare("POST", url, headers, body)
        request = self._transport.prepare(requests.Request("POST", url, headers=headers, data=body))
        return self._transport.send(request, seconds=seconds)

    def _granted(self, answer: Answer) -> _Granted:
        try:
            granted = msgspec.json.decode(answer.body, type=_Granted)
        except ValueError:
            granted = _Granted("")
        # What a header cannot carry would end up in the message of an exception.
        if re.fullmatch(r"[!-~]+", granted.access_token):
            return granted
        what = f"{self._place}: {answer.described()}, but no token in it"
        raise Transient(SourceMalformed(f"{what} ({answer.content_type})"))

    def _failed(self, answer: Answer) -> Transient | SourceRefused:
        what = f"{self._place}: {answer.described(_code(answer))}"
        if answer.is_transient:
            return Transient(SourceUnavailable(what), retry_after=answer.retry_after)
        return SourceRefused(f"{what}: {self._advice(answer)}")

    def _advice(self, answer: Answer) -> str:
        if answer.is_redirect:
            return "credentials do not follow a redirect; check TALKDESK_ACCOUNT, TALKDESK_REGION, TALKDESK_TOKEN_URL"
        if answer.status != HTTPStatus.UNAUTHORIZED:
            return "check TALKDESK_CLIENT_ID and what it may do, TALKDESK_ACCOUNT, TALKDESK_REGION"
        proof = "its key, TALKDESK_KEY_ID or this machine's clock" if self._settings.private_key else "its secret"
        return (
            f"TALKDESK_CLIENT_ID or {proof} is wrong; or a scope was added minutes ago and does not act yet; "
            "or the account in the host is wrong (TALKDESK_ACCOUNT); or the region is (TALKDESK_REGION)"
        )

    @property
    def _place(self) -> str:
        return place("POST", self._settings.token_url)


def _wishes(scopes: Sequence[str]) -> list[str]:
    """Return what to ask for, one after the other: all, the same without the users' scope, nothing named, each alone.

    Without a scope the answer should grant all that the client has; a scope that does not act yet may spoil both.
    """
    needed = [scope for scope in scopes if scope != USERS.scope]
    return list(dict.fromkeys([" ".join(scopes), " ".join(needed), "", *needed, *scopes]))


def _client_auth(settings: AccountSettings, *, issued_at: int) -> ClientAuth:
    if settings.client_secret is not None:
        return ClientAuth(settings.client_id, settings.client_secret.get_secret_value())
    # Imported here: cryptography takes its time to load, and most accounts have a secret.
    from authlib.oauth2.rfc7523 import PrivateKeyJWT  # noqa: PLC0415
    from joserfc.jwk import import_key  # noqa: PLC0415

    from etl.config.keys import algorithm_of  # noqa: PLC0415

    pem = settings.private_key.get_secret_value() if settings.private_key else ""
    algorithm = algorithm_of(pem)
    key = import_key(pem, "EC" if algorithm.startswith("ES") else "RSA")
    method = PrivateKeyJWT(
        settings.token_url,
        claims={"jti": str(uuid.uuid4()), "iat": issued_at, "exp": issued_at + ASSERTION_SECONDS},
        headers={"kid": settings.key_id},
        alg=algorithm,
    )
    return ClientAuth(settings.client_id, key, method)


def _said(text: bytes) -> Any:
    """Return what a key of the answer holds; None if that is far more than such a key ever holds."""
    try:
        return msgspec.json.decode(text) if len(text) <= _MAX_SAID_BYTES else None
    except ValueError:  # a number beyond all
        return None


def _scopes(text: bytes) -> frozenset[str] | None:
    """Return the scopes that were granted, as text or as a list; None if nothing is said that can be understood."""
    said = _said(text)
    listed = [said] if isinstance(said, str) else said
    if not isinstance(listed, list):
        return None
    return frozenset(scope for each in listed if isinstance(each, str) for scope in each.split())


def _life(text: bytes) -> float:
    """Return how many seconds the token lives, as a number or as text; what is usual if nothing is said of it."""
    said = _said(text)
    try:
        life = 0.0 if isinstance(said, bool) else float(said)
    except (TypeError, ValueError, OverflowError):
        return _USUAL_LIFE
    return life if 0 < life < math.inf else _USUAL_LIFE


def _is_about_scope(answer: Answer) -> bool:
    code = _code(answer)
    return code == "invalid_scope" or (answer.status == HTTPStatus.BAD_REQUEST and code not in _NOT_ABOUT_SCOPE)


def _code(answer: Answer) -> str:
    """Return the code of a refusal; token errors have another shape than those of the API."""
    try:
        return msgspec.json.decode(answer.body, type=_Refused).error
    except ValueError:
        return ""
