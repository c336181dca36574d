"""The identity service: both ways to prove who one is, what a token may do, and when it dies."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from etl.sandbox import Sandbox, running
from tests.sandbox.caller import Caller

FORM = {"grant_type": "client_credentials"}
ALL = "bulk-imports:read case-fields-public:read users:read"
KEY = ECKey.generate_key("P-256", {"kid": "key-1"})
LIST = "/bulk-imports/users"


@pytest.fixture
def signing() -> Iterator[Sandbox]:
    """A sandbox that knows the public half of a key."""
    with running(imports=1, public_key=KEY.as_pem(private=False).decode(), key_id="key-1") as sandbox:
        yield sandbox


def claims(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """The claims of a good assertion, with some changed; None leaves one out, numbers are seconds from now."""
    good = {"iss": "sandbox", "sub": "sandbox", "aud": sandbox.token_url, "jti": "once", "iat": 0, "exp": 300}
    given = {name: value for name, value in (good | changes).items() if value is not None}
    return {name: int(time.time()) + v if isinstance(v, int) else v for name, v in given.items()}


def signed(sandbox: Sandbox, key: Any = KEY, kid: str = "key-1", **changes: Any) -> dict[str, str]:
    """A token request with an assertion of these claims."""
    algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
    assertion = jwt.encode({"alg": algorithm, "kid": kid}, claims(sandbox, **changes), key)
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return FORM | {"client_assertion_type": kind, "client_assertion": assertion}


def test_secret_gives_a_token(caller: Caller) -> None:
    """HTTP Basic with the right secret gives a bearer token for ten minutes and all scopes."""
    body = caller.token(FORM).json()

    assert ("Bearer", 600, ALL) == (body["token_type"], body["expires_in"], body["scope"])


@pytest.mark.parametrize("auth", [None, ("sandbox", "wrong"), ("other", "sandbox"), ("", ""), ("sandbox", "ß")])
def test_wrong_secret_gives_none(caller: Caller, auth: tuple[str, str] | None) -> None:
    """A wrong client is refused in the words of OAuth."""
    answer = caller.token(FORM, auth=auth)

    assert 401 == answer.status_code
    assert ("invalid_client", {"error", "error_description"}) == (answer.json()["error"], set(answer.json()))


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic " + base64.b64encode(b"\xff").decode()])
def test_unreadable_header_gives_none(caller: Caller, header: str) -> None:
    """A header that cannot be decoded is a wrong client, not a crash."""
    caller.session.headers["Authorization"] = header

    assert 401 == caller.session.post(caller.sandbox.token_url, data=FORM, timeout=5).status_code


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        (FORM | {"scope": "cases:read"}, "invalid_scope"),
    ],
)
def test_bad_requests(caller: Caller, form: dict[str, str], error: str) -> None:
    """What is asked wrongly is 400 with the code of OAuth."""
    assert (400, error) == ((answer := caller.token(form)).status_code, answer.json()["error"])


def test_scope_is_what_is_asked_and_held(caller: Caller) -> None:
    """Of the scopes asked for those are granted that the client holds."""
    body = caller.token(FORM | {"scope": "case-fields-public:read cases:read"}).json()

    assert "case-fields-public:read" == body["scope"]


def test_tokens_die() -> None:
    """A token lives as long as it says, and then is 401."""
    with running(imports=1, token_life=0.2) as sandbox:
        caller = Caller(sandbox)
        assert 200 == caller.get(LIST).status_code

        time.sleep(0.25)
        assert 401 == caller.get(LIST).status_code

        caller.log_in()
        assert 200 == caller.get(LIST).status_code
        assert 0.2 == caller.token(FORM).json()["expires_in"]


def test_tokens_can_be_revoked(sandbox: Sandbox, caller: Caller) -> None:
    """A test may end all tokens at once."""
    sandbox.tokens.revoke_all()

    assert 401 == caller.get(LIST).status_code


def test_signed_assertion_gives_a_token(signing: Sandbox) -> None:
    """A well-kept library's private_key_jwt is understood."""
    method = PrivateKeyJWT(signing.token_url, headers={"kid": "key-1"}, alg="ES256",
                           claims={"exp": int(time.time()) + 300})  # fmt: skip
    with OAuth2Session("sandbox", KEY, token_endpoint_auth_method=method) as session:
        token = session.fetch_token(signing.token_url, grant_type="client_credentials", timeout=5)

    assert ALL == token["scope"]


def test_rsa_keys_are_understood() -> None:
    """The vendor gives EC keys; an RSA key works as well."""
    key = RSAKey.generate_key(2048)
    with running(imports=1, public_key=key.as_pem(private=False).decode()) as sandbox:
        assert 200 == Caller(sandbox).token(signed(sandbox, key), auth=None).status_code


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://elsewhere.example/oauth/token"}, "aud"),
        ({"iss": "other"}, "iss"),
        ({"sub": None}, "sub"),
        ({"jti": None}, "jti"),
        ({"exp": -60}, "exp"),
        ({"iat": 600, "exp": 900}, "in the future"),
        ({"exp": 3600}, "lives too long"),
        ({"kid": "key-2"}, "kid"),
        ({"key": ECKey.generate_key("P-256")}, "signature"),
    ],
)
def test_bad_assertions_give_none(signing: Sandbox, changes: dict[str, Any], reason: str) -> None:
    """Wrong address, client, time or key: each is refused, and the answer names it."""
    answer = Caller(signing).token(signed(signing, **changes), auth=None)

    assert 401 == answer.status_code
    assert reason in answer.json()["error_description"]


def test_an_assertion_works_once(signing: Sandbox) -> None:
    """The same assertion again is refused."""
    form, caller = signed(signing), Caller(signing)

    assert [200, 401] == [caller.token(form, auth=None).status_code for _ in range(2)]


@pytest.mark.parametrize("assertion", ["", "nonsense", "a.b.c"])
def test_nonsense_is_no_assertion(signing: Sandbox, assertion: str) -> None:
    """What is no assertion is a wrong client, not a crash."""
    form = signed(signing) | {"client_assertion": assertion}

    assert 401 == Caller(signing).token(form, auth=None).status_code


def test_no_key_no_assertion(sandbox: Sandbox, caller: Caller) -> None:
    """A client that registered no key cannot sign."""
    assert 401 == caller.token(signed(sandbox), auth=None).status_code
