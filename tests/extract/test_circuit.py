"""An outage is noticed once, whatever fails and however many ask; one item's own failure stops no other."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from etl.errors import EtlError, NotFound, SourceRefused, SourceUnavailable
from etl.extract import circuit
from etl.extract.circuit import CircuitBreaker
from etl.extract.client import Client
from etl.extract.endpoints import CASE_FIELDS, IMPORTS, RECORDS
from tests.extract.scripted_server import ScriptedServer, cut, reply, reset, settings_for, token

GOOD = reply(200, {"a": 1})
LOGIN = reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})
ELSEWHERE = reply(302, headers={"Location": "https://login.example/"})
FAILURES: dict[str, Any] = {
    "login page": LOGIN,
    "503": reply(503),
    "429": reply(429, headers={"Retry-After": "1"}),
    "401": reply(401),
    "403": reply(403),
    "405": reply(405),
    "406": reply(406),
    "redirect": ELSEWHERE,
    "cut": cut(GOOD, left=2),
    "reset": reset,
}


class Clocked:
    """A client whose clock only pauses move, and what became of its items."""

    def __init__(self, server: ScriptedServer, **settings: Any) -> None:
        self.server = server
        self.now = 0.0
        self._lock = threading.Lock()
        settings = {"retry_seconds": 10, **settings}
        given = settings_for(server, **settings)
        self.client = Client(given, stop=threading.Event(), sleep=self.sleep, clock=lambda: self.now)

    def sleep(self, seconds: float) -> None:
        """The pause is over at once."""
        with self._lock:
            self.now += seconds

    def fails(self, target: str, endpoint: Any = RECORDS) -> bool:
        """True if the item cannot be had."""
        try:
            self.client.get(f"{self.server.origin}{target}", endpoint)
        except EtlError:
            return True
        return False


@pytest.fixture(name="server")
def _server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.steps["/ok"] = [GOOD]
        yield server


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("items", [20, 200])
def test_an_outage_takes_patience_once(server: ScriptedServer, kind: str, items: int) -> None:
    """Neither its time nor the requests for tokens grow with the items, and each is asked for once at most."""
    server.steps |= {f"/x{number}": [FAILURES[kind]] for number in range(items)}
    clocked = Clocked(server)
    clocked.fails("/ok", IMPORTS)

    assert all(clocked.fails(f"/x{number}") for number in range(items))
    assert clocked.now <= 20 + circuit.MIN_GRACE_SECONDS
    assert (
        len(server.targets()) <= 1 + items + 8 + circuit.RENEWALS_IN_VAIN
    )  # the attempts at the first, and new tokens
    assert len(server.token_requests()) <= 1 + circuit.RENEWALS_IN_VAIN


@pytest.mark.parametrize("kind", FAILURES)
def test_one_bad_item_stops_no_other(server: ScriptedServer, kind: str) -> None:
    """However it fails, and wherever it stands."""
    server.steps["/bad"] = [FAILURES[kind]]
    clocked = Clocked(server)
    clocked.fails("/ok", IMPORTS)

    assert [True, False, False, True, False] == [
        clocked.fails(target) for target in ("/bad", "/ok", "/ok", "/bad", "/ok")
    ]


@pytest.mark.parametrize("kind", FAILURES)
def test_many_bad_items_among_good_ones(server: ScriptedServer, kind: str) -> None:
    """What each of them may be retried comes out of one purse; tokens likewise."""
    server.steps["/bad"] = [FAILURES[kind]]
    clocked = Clocked(server)

    assert [False, True] * 40 == [clocked.fails(target) for target in ("/ok", "/bad") * 40]
    assert clocked.now <= 2 * 10 + 40 * (1.05 if kind == "429" else 0)
    assert len(server.token_requests()) <= 1 + circuit.RENEWALS_IN_VAIN + 40 * circuit.RENEWALS_PER_ANSWER


def test_endpoints_are_apart(server: ScriptedServer) -> None:
    """What one lacks is no reason to ask the other less patiently."""
    server.steps |= {"/down": [reply(503)], "/fields": [reply(503), GOOD]}
    clocked = Clocked(server)
    for _ in range(50):
        clocked.fails("/down")

    assert not clocked.fails("/fields", CASE_FIELDS)


def test_threads_side_by_side_spend_it_once(server: ScriptedServer) -> None:
    """Eight threads that wait for the same outage have the patience of one; the next hiccup is still survived."""
    server.steps["/down"] = [reply(503)]
    server.steps["/x"] = [reply(503), GOOD]
    given = settings_for(server, retry_seconds=0.5, concurrency=8)
    client = Client(given, stop=threading.Event())
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(client.get, f"{server.origin}/down", RECORDS) for _ in range(8)]:
            assert isinstance(future.exception(), SourceUnavailable)
    client.get(f"{server.origin}/ok", RECORDS)

    assert b'{"a": 1}' == client.get(f"{server.origin}/x", RECORDS)


def test_dead_tokens_are_renewed_as_often_as_they_die(server: ScriptedServer) -> None:
    """As long as there are answers in between."""
    server.steps["/x"] = [reply(401), GOOD] * 100
    clocked = Clocked(server)
    clocked.fails("/ok", IMPORTS)

    assert not any(clocked.fails("/x") for _ in range(100))
    assert 0 == clocked.now


def test_a_token_end_that_is_away(server: ScriptedServer) -> None:
    """It is asked until patience ends, and then by a probe from time to time."""
    server.steps["/oauth/token"] = [reply(503)]
    clocked = Clocked(server)
    for number in range(100):
        assert clocked.fails(f"/x{number}")
    asked = len(server.token_requests())
    clocked.now += circuit.PROBE_SECONDS + 1
    server.steps["/oauth/token"] = [token()]

    assert asked <= 8
    assert not clocked.fails("/ok")


class Breaker:
    """A circuit breaker and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.circuit = CircuitBreaker(lambda: self.now, patience=60)

    def give_up(self, *, after: float) -> None:
        """An item is retried in vain for so long."""
        begun, self.now = self.now, self.now + after
        self.circuit.given_up(SourceUnavailable("away"), begun=begun)


def test_states() -> None:
    """Closed, open, tripped, and by a probe closed again."""
    breaker = Breaker()
    assert 60 == breaker.circuit.patience()
    breaker.give_up(after=60)
    assert 0 == breaker.circuit.patience()
    for _ in range(3):
        breaker.give_up(after=20)

    with pytest.raises(SourceUnavailable, match="away"):
        breaker.circuit.patience()
    breaker.now += circuit.PROBE_SECONDS
    assert 0 == breaker.circuit.patience()
    with pytest.raises(SourceUnavailable):
        breaker.circuit.patience()
    breaker.circuit.answered(attempts=2)
    assert 60 == breaker.circuit.patience()


def test_refusals_trip_it_without_opening_it() -> None:
    """They cost no patience; slow ones that go on and on are an outage, too."""
    breaker = Breaker()
    breaker.circuit.refused(SourceRefused("403"))
    assert 60 == breaker.circuit.patience()
    for _ in range(circuit.MAX_TRIES):
        breaker.now += 20
        breaker.circuit.refused(SourceRefused("403"))

    with pytest.raises(SourceRefused):
        breaker.circuit.patience()


def test_what_is_not_there_is_an_answer(server: ScriptedServer) -> None:
    """Imports that the source has forgotten are normal, however many."""
    clocked = Clocked(server, retry_seconds=0)
    for number in range(30):
        clocked.now += 10
        with pytest.raises(NotFound):
            clocked.client.get(f"{server.origin}/gone{number}", RECORDS)


def test_refusals_are_probed_too() -> None:
    """What was refused for a while may be allowed by now."""
    breaker = Breaker()
    for _ in range(circuit.MAX_TRIES + 1):
        breaker.circuit.refused(SourceRefused("403"))
        breaker.now += 15
    with pytest.raises(SourceRefused):
        breaker.circuit.patience()

    breaker.now += circuit.PROBE_SECONDS
    assert 0 == breaker.circuit.patience()
    breaker.circuit.answered()
    assert 60 == breaker.circuit.patience()
