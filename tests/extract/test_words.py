"""Of the peer's words only those on closed lists are shown."""

import json
import threading

import pytest

from etl.errors import EtlError
from etl.extract import words
from etl.extract.client import Client
from etl.extract.endpoints import IMPORTS
from etl.extract.transport import Answer
from tests.extract.scripted_server import TOKEN_PATH, ScriptedServer, reply, settings_for, token

HEX = "0f3b2a101c5e422283334444555566aa"
UUID = "0f3b2a10-1c5e-4222-8333-4444555566aa"
CELL = "Plantagenet"


@pytest.mark.parametrize("path", [f"/bulk-imports/users/{CELL}/records", f"/bulk-imports/users/{HEX}/records"])
def test_place(path: str) -> None:
    """A host, and words of the API's own paths."""
    said = words.place("GET", f"https://jane:x@api.example{path}?cell={CELL}")

    assert said == "GET api.example/bulk-imports/users/…/records"


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("application/json; charset=utf-8", "application/json"),
        ("Text/HTML", "text/html"),
        ("", "no content type"),
        (f"text/{CELL}", "an unusual content type"),
        (f"{HEX}/{HEX}", "an unusual content type"),
    ],
)
def test_media_type(header: str, shown: str) -> None:
    """Well-known types, without parameters."""
    assert shown == words.media_type(header)


@pytest.mark.parametrize(
    ("header", "secrets", "shown"),
    [
        (UUID, ["other"], True),
        (HEX, [], True),
        (HEX[:16], [""], True),
        (CELL, [], False),
        ("12025550143", [], False),
        (HEX, [HEX], False),
        (UUID, [HEX], False),
        (HEX.upper(), [UUID], False),
        (HEX, [f"prefix-{HEX}-suffix"], False),
        (HEX, [HEX[4:20]], False),
    ],
)
def test_trace_id(header: str, secrets: list[str], shown: bool) -> None:  # noqa: FBT001
    """Its own form, and nothing of a secret, however that is written."""
    assert (header if shown else "") == words.trace_id(header, secrets)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("0400", True),
        ("0000404", True),
        ("503", True),
        ("invalid_client", True),
        (CELL, False),
        ("5550143", False),
        ("2025550", False),
        ("0999", False),
        (HEX, False),
        (400, False),
        (None, False),
    ],
)
def test_error_code(code: object, shown: bool) -> None:  # noqa: FBT001
    """Known words, and a status with zeros before it."""
    assert (code if shown else "") == words.error_code(code)


def test_keys() -> None:
    """Known keys by name, of all others how many they are."""
    assert words.keys(["total", CELL, HEX, "code"]) == "code, total, 2 unknown"
    assert words.keys([]) == "(none)"


@pytest.mark.parametrize(("asked", "seconds"), [("60", 60), ("5550143", 86_400), ("12025550143", 0), (CELL, 0)])
def test_retry_after(asked: str, seconds: float) -> None:
    """A day at most: what is longer may be somebody's number."""
    assert seconds == Answer(429, {"Retry-After": asked}, b"").retry_after


@pytest.mark.parametrize("status", [302, 401, 403, 404, 422, 429, 500])
@pytest.mark.parametrize("secret", [HEX, UUID, "eyJhbGciOi.J9-token_1", CELL])
@pytest.mark.parametrize("path", ["", TOKEN_PATH])
def test_a_server_that_repeats(status: int, secret: str, path: str) -> None:
    """The token or the client's secret comes back in every place of an answer, and is not in what is said."""
    repeated = json.dumps({"code": secret, "error": secret, secret: 1, "_embedded": {secret: [], secret * 2: []}})
    headers = dict.fromkeys(
        ("platform-tid", "Retry-After", "Location", "Content-Type", "WWW-Authenticate", secret), secret
    )
    answer = reply(status, repeated.encode(), headers).replace(b" Said", f" {secret}".encode())
    with ScriptedServer() as server:
        server.steps = {TOKEN_PATH: [token(secret)]}
        link = f"/bulk-imports/users/{secret}/records"
        server.steps[path or link] = [answer]
        settings = settings_for(server, client_secret=secret, retry_seconds=0)
        client = Client(settings, stop=threading.Event(), sleep=lambda _: None)
        with pytest.raises(EtlError) as caught:
            client.get(f"{server.origin}{link}", IMPORTS)

    assert secret not in str(caught.value).replace(server.origin.partition("//")[2], "")


def test_a_server_that_repeats_in_a_page() -> None:
    """Nor is it where there is no JSON."""
    with ScriptedServer() as server:
        server.steps["/x"] = [reply(200, b"<html>token-1", {"Content-Type": "token-1", "platform-tid": "token-1"})]
        client = Client(settings_for(server, retry_seconds=0), stop=threading.Event(), sleep=lambda _: None)
        with pytest.raises(EtlError, match=r"200, but no JSON .* in a body of an unusual content type") as caught:
            client.get(f"{server.origin}/x", IMPORTS)

    assert "token-1" not in str(caught.value)
