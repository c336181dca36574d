"""Access tokens: how they are asked for, kept, renewed and refused."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from etl.errors import EtlError, Interrupted, SourceMalformed, SourceRefused, SourceUnavailable
from etl.extract.auth import TokenProvider
from etl.extract.retrying import Patience
from etl.extract.transport import Transport
from tests.extract.scripted_server import TOKEN_PATH, ScriptedServer, cut, hang, reply, reset, settings_for, token

SCOPES = "bulk-imports:read case-fields-public:read"
TRACE = "0f3b2a101c5e422283334444555566aa"
REFUSED = {"error": "invalid_client", "error_description": "jane@example.com may not"}
SCOPE_REFUSED = reply(400, {"error": "invalid_scope"})


@pytest.fixture(name="server")
def _server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


class Tools:
    """A provider, the clock that it lives by, and the pauses that it made."""

    def __init__(self, server: ScriptedServer, **settings: Any) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self.stop = threading.Event()
        given = settings_for(server, **settings)
        patience = Patience(given, stop=self.stop, sleep=self.sleep, clock=lambda: self.now)
        self.provider = TokenProvider(given, Transport(given, patience), patience, wall_clock=lambda: 1_700_000_000)

    def sleep(self, seconds: float) -> None:
        """The pause is over at once."""
        self.pauses.append(seconds)
        self.now += seconds


def always() -> bool:
    """A token may be asked for."""
    return True


def form(server: ScriptedServer, number: int = 0) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(server.token_requests()[number].body).items()}


def failure(tools: Tools, kind: type[Exception]) -> str:
    """What is said when there is no token; never more than a line, and never a secret."""
    with pytest.raises(kind) as caught:
        tools.provider.token()

    assert not [word for word in ("\n", "the-s3cret", "jane") if word in str(caught.value)]
    return str(caught.value)


def test_secret(server: ScriptedServer) -> None:
    """Client and secret go into a Basic header, the grant and the scopes into the form."""
    assert "token-1" == Tools(server).provider.token()

    (asked,) = server.token_requests()
    assert {"grant_type": "client_credentials", "scope": SCOPES} == form(server)
    assert f"Basic {base64.b64encode(b'the-client:the-s3cret').decode()}" == asked.headers["authorization"]
    assert "application/x-www-form-urlencoded" == asked.headers["content-type"]
    assert "application/json" == asked.headers["accept"]


@pytest.mark.parametrize(
    ("key", "algorithm", "kind"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256", ECKey),
        (ec.generate_private_key(ec.SECP521R1()), "ES512", ECKey),
        (rsa.generate_private_key(65537, 2048), "RS256", RSAKey),
    ],
)
def test_signed_assertion(server: ScriptedServer, key: Any, algorithm: str, kind: type[ECKey | RSAKey]) -> None:
    """The assertion names client, address and key, lives five minutes, and is another one each time."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    tools = Tools(server, private_key=pem, key_id="key-1")
    tools.provider.renew(tools.provider.token(), always)

    sent = [form(server, number) for number in (0, 1)]
    first, second = (jwt.decode(each["client_assertion"], kind.import_key(pem), [algorithm]) for each in sent)
    claims = first.claims | {"jti": None}
    assert {"alg": algorithm, "kid": "key-1"} == {name: first.header[name] for name in ("alg", "kid")}
    assert claims == {
        "iss": "the-client",
        "sub": "the-client",
        "aud": f"{server.origin}{TOKEN_PATH}",
        "iat": 1_700_000_000,
        "exp": 1_700_000_300,
        "jti": None,
    }
    assert first.claims["jti"] != second.claims["jti"]
    assert "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" == sent[0]["client_assertion_type"]
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    ("life", "fresh_until"),
    [
        *[
            (600, 540),
            ("600", 540),
            (600.0, 540),
            (1, 0.9),
            (None, 540),
            (-5, 540),
            (0, 540),
            (True, 540),
            ([600], 540),
        ],
        *[("soon", 540), ("nan", 540), ("inf", 540), (10**400, 540), ({}, 540)],
    ],
)
def test_renewed_ahead_of_its_end(server: ScriptedServer, life: object, fresh_until: float) -> None:
    """A token is used for nine tenths of its life, however long that is."""
    server.steps[TOKEN_PATH] = [token("first", expires_in=life), token("second")]
    tools = Tools(server)
    tools.provider.token()

    tools.now += fresh_until * 0.99
    assert "first" == tools.provider.token()
    tools.now += fresh_until * 0.02
    assert "second" == tools.provider.token()


def test_renewed_once_for_all_threads(server: ScriptedServer) -> None:
    """However many threads find a token dead, one asks for a new one."""
    server.steps[TOKEN_PATH] = [token("first"), token("second"), token("third")]
    provider = Tools(server).provider
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: provider.token(), range(32)))
        renewed = set(pool.map(lambda _: provider.renew("first", always), range(32)))

    assert ({"first"}, {"second"}) == (tokens, renewed)
    assert 2 == len(server.token_requests())


def test_age_of_a_token(server: ScriptedServer) -> None:
    """A token is old after half of its life, and so is one that has been replaced."""
    tools = Tools(server)
    text = tools.provider.token()

    assert not tools.provider.is_old(text)
    assert tools.provider.is_old("another")
    tools.now += 301
    assert tools.provider.is_old(text)


@pytest.mark.parametrize(
    ("scope", "missing"),
    [
        (SCOPES, set()),
        (f"other {SCOPES}", set()),
        ("bulk-imports:read", {"case-fields-public:read"}),
        ("", set(SCOPES.split())),
        (None, set()),
        (SCOPES.split(), set()),
        ([SCOPES], set()),
        (["bulk-imports:read", 7, None], {"case-fields-public:read"}),
        ([], set(SCOPES.split())),
        (7, set()),
        (True, set()),
        ({"a": 1}, set()),
        (10**400, set()),
        (["x" * 20_000], set()),
    ],
)
def test_scopes_that_are_missing(server: ScriptedServer, scope: object, missing: set[str]) -> None:
    """What was not granted is known, as text or as a list; an answer that is silent, or odd, grants everything."""
    server.steps[TOKEN_PATH] = [token(scope=scope)]
    provider = Tools(server).provider
    provider.token()

    assert missing == provider.missing_scopes


@pytest.mark.parametrize("refusal", [SCOPE_REFUSED, reply(400, b"<html>"), reply(401, {"error": "invalid_scope"})])
def test_refused_scopes(server: ScriptedServer, refusal: bytes) -> None:
    """A client that lacks a scope gets a token for what it has, now and later."""
    server.steps[TOKEN_PATH] = [refusal, token(scope="bulk-imports:read"), token("token-2")]
    provider = Tools(server).provider
    provider.renew(provider.token(), always)

    assert [True, False, False] == ["scope" in form(server, number) for number in range(3)]
    assert frozenset() == provider.missing_scopes


@pytest.mark.parametrize(
    ("hiccup", "waits"),
    [
        (reply(500), None),
        (reply(503, b"<html>"), None),
        (reply(429), None),
        (reply(429, headers={"Retry-After": "2"}), 2),
        (reply(200, b"<html>login</html>"), None),
        (reply(200, {"token_type": "Bearer"}), None),
        (reply(200, {"access_token": "two\nlines"}), None),
        (cut(token(), left=5), None),
        (reset, None),
    ],
)
def test_hiccups_are_survived(server: ScriptedServer, hiccup: Any, waits: float | None) -> None:
    """What may pass by itself is tried again, after the pause that was asked for."""
    server.steps[TOKEN_PATH] = [hiccup, token()]
    tools = Tools(server)

    assert "token-1" == tools.provider.token()
    assert 1 == len(tools.pauses)
    assert waits is None or waits <= tools.pauses[0] <= waits * 1.05


def test_three_causes_of_a_401(server: ScriptedServer) -> None:
    """One line tells everything that it may be, and nothing that the source said beyond its code."""
    server.steps[TOKEN_PATH] = [reply(401, REFUSED, {"platform-tid": TRACE})]
    said = failure(Tools(server), SourceRefused)

    host = server.origin.removeprefix("http://")
    assert said.startswith(f"POST {host}/oauth/token: 401 invalid_client platform-tid={TRACE}: TALKDESK_CLIENT_ID")
    for cause in ("a scope was added minutes ago", "TALKDESK_ACCOUNT", "TALKDESK_REGION"):
        assert cause in said


SECRETS = ("the-s3cret", "jane@example.com", "dGhlLWNsaWVudDp0aGUtczNjcmV0")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 503])
def test_nothing_that_the_token_end_says_is_repeated(server: ScriptedServer, secret: str, status: int) -> None:
    """It knows the client's secret, and may put it anywhere."""
    body = {"error": secret, "error_description": secret, "code": secret, secret: secret, "scope": secret}
    headers = {"platform-tid": secret, "Content-Type": f"{secret}/{secret}", "Location": f"/{secret}"}
    server.steps[TOKEN_PATH] = [reply(status, body, headers)]
    with pytest.raises(EtlError) as caught:
        Tools(server, retry_seconds=0).provider.token()

    assert secret not in str(caught.value)


def test_refused_for_good(server: ScriptedServer) -> None:
    """A refused client is not asked about again."""
    server.steps[TOKEN_PATH] = [reply(401, REFUSED)]
    tools = Tools(server)

    assert failure(tools, SourceRefused) == failure(tools, SourceRefused)
    assert 1 == len(server.token_requests())


@pytest.mark.parametrize("status", [400, 403, 404, 418])
def test_other_refusals(server: ScriptedServer, status: int) -> None:
    """Any other refusal names its code and where to look."""
    server.steps[TOKEN_PATH] = [reply(status, REFUSED)]

    assert f"/oauth/token: {status} invalid_client: check TALKDESK_CLIENT_ID" in failure(Tools(server), SourceRefused)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server: ScriptedServer, status: int) -> None:
    """Credentials stay where they are configured to go, even on the same host."""
    server.steps[TOKEN_PATH] = [reply(status, headers={"Location": f"{server.origin}/elsewhere"})]

    assert "credentials do not follow a redirect" in failure(Tools(server), SourceRefused)
    assert [TOKEN_PATH] == [asked.target for asked in server.asked]


def test_source_that_stays_away(server: ScriptedServer) -> None:
    """Patience ends, and those who waited for the same token do not begin anew."""
    server.steps[TOKEN_PATH] = [reply(503)]
    tools = Tools(server, retry_seconds=20)
    started = threading.Barrier(4)

    def ask(_: int) -> str:
        started.wait()
        return failure(tools, SourceUnavailable)

    with ThreadPoolExecutor(4) as pool:
        said = set(pool.map(ask, range(4)))

    assert 1 == len(said)
    assert len(server.token_requests()) <= 8
    assert sum(tools.pauses) <= 20 + 1e-6


def test_no_token_in_an_answer(server: ScriptedServer) -> None:
    """A page where a token should be is named by its type."""
    server.steps[TOKEN_PATH] = [reply(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"})]

    said = failure(Tools(server, retry_seconds=86_400), SourceMalformed)

    assert "200, but no token in it (text/html); given up after 8 attempts" in said


@pytest.mark.parametrize("when", [lambda: None, lambda: time.sleep(0.2)])
def test_stop(server: ScriptedServer, when: Callable[[], None]) -> None:
    """A stop ends the wait for an answer at once."""
    server.steps[TOKEN_PATH] = [hang(5)]
    tools = Tools(server)
    threading.Timer(0.1, tools.stop.set).start()
    when()
    begun = time.monotonic()

    with pytest.raises(Interrupted):
        tools.provider.token()
    assert time.monotonic() - begun < 1


def test_the_users_scope_may_be_what_is_refused(server: ScriptedServer) -> None:
    """A bare 401 may mean a scope that is minutes old: all but that one is asked for, and what is lacking is known."""
    server.steps[TOKEN_PATH] = [reply(401, {"error": "invalid_client"}), token(scope=None)]
    provider = Tools(server, users="keep").provider

    assert "token-1" == provider.token()
    assert ["users:read" in form(server, number)["scope"] for number in range(2)] == [True, False]
    assert {"users:read"} == provider.missing_scopes
