"""How the environment says that the API is reached, and what is said where that cannot work."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from etl.errors import SourceRefused, SourceUnavailable, UsageError
from etl.extract import routes
from etl.extract.client import Client
from etl.extract.endpoints import IMPORTS
from tests.extract.certificates import certificate
from tests.extract.scripted_server import ScriptedServer, reply, settings_for

PASSWORD = "pl4nted"
BODY = b'{"a": 1}'
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(name="server")
def _server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    with ScriptedServer(context) as server:
        server.steps["/x?a=%2f"] = [reply(200, BODY)]
        yield server


def client_of(server: ScriptedServer) -> Client:
    """A client that waits for nothing."""
    return Client(settings_for(server), stop=threading.Event(), sleep=lambda _: None)


def refusal(server: ScriptedServer, kind: type[Exception]) -> str:
    """What is said instead of an answer; no part of a proxy's address."""
    with pytest.raises(kind) as caught:
        client_of(server).get(f"{server.origin}/x?a=%2f", IMPORTS)

    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def joined(here: socket.socket, there: socket.socket) -> None:
    """Bytes go both ways until one side ends."""
    threading.Thread(target=pump, args=(there, here), daemon=True).start()
    pump(here, there)


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while more := source.recv(65536):
            target.sendall(more)
        target.shutdown(socket.SHUT_WR)


class SocksServer:
    """SOCKS 5 (RFC 1928) on loopback; remembers where it was to connect."""

    def __init__(self, *, wants_login: bool = False) -> None:
        self.asked: list[str] = []
        self._method = 2 if wants_login else 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Nobody is let in any more."""
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            (_, count) = connection.recv(2)
            connection.recv(count)
            connection.sendall(bytes([5, self._method]))
            if self._method:
                connection.recv(512)
                connection.sendall(b"\x01\x01")
                return
            connection.recv(4)  # version, connect, reserved, an IPv4 address
            host = socket.inet_ntoa(connection.recv(4))
            port = int.from_bytes(connection.recv(2))
            self.asked.append(host)
            with socket.create_connection((host, port)) as there:
                connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2))
                joined(connection, there)


def test_socks_proxy(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link goes out byte for byte through a SOCKS proxy, and its connection is kept."""
    proxy = SocksServer()
    monkeypatch.setenv("ALL_PROXY", f"socks5h://{proxy.address}")
    client = client_of(server)

    assert [BODY] * 3 == [client.get(f"{server.origin}/x?a=%2f", IMPORTS) for _ in range(3)]
    assert (["127.0.0.1"], 1, ["/x?a=%2f"] * 3) == (proxy.asked, server.connections, server.targets())
    proxy.close()


def test_socks_proxy_that_wants_a_login(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another login is not tried again."""
    proxy = SocksServer(wants_login=True)
    monkeypatch.setenv("all_proxy", f"socks5h://jane:{PASSWORD}@{proxy.address}")

    assert "the proxy of HTTPS_PROXY or ALL_PROXY wants another login" in refusal(server, UsageError)
    proxy.close()


def test_socks_proxy_that_is_not_there(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come back."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("ALL_PROXY", f"socks5h://jane:{PASSWORD}@127.0.0.1:{port}")

    assert "Connection refused; given up after 8 attempts" in refusal(server, SourceUnavailable)


def test_socks_without_its_library(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said."""
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1080")
    monkeypatch.setattr(routes, "find_spec", lambda _: None)

    assert "SOCKS proxy, and PySocks is not installed: pip install PySocks" in refusal(server, UsageError)


@pytest.mark.parametrize(
    "address",
    [
        "http://:80",
        "ftp://proxy.example:21",
        "http://proxy.example:99999999",
        "http://proxy.example:port",
        "http://[::1",
        f"http://jane:{PASSWORD}@",
        f"jane:{PASSWORD}/@proxy:3128",
        f"http://jane:12/{PASSWORD}@proxy:3128",
        f"http://jane:12?{PASSWORD}@proxy:3128",
        f"http://jane:12#{PASSWORD}@proxy:3128",
        "//",
    ],
)
def test_proxy_that_makes_no_sense(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A wrong setting, by its name and without its value; nobody is asked."""
    monkeypatch.setenv("https_proxy", address)

    assert "HTTPS_PROXY or ALL_PROXY is no address of a proxy" in refusal(server, UsageError)
    assert [] == server.asked


@pytest.mark.parametrize(
    ("status", "kind", "reason", "attempts"),
    [
        (407, UsageError, "wants another login: SCHEME://USER:PASSWORD@HOST:PORT", 1),
        (403, SourceRefused, "refuses the connection (403)", 1),
        (503, SourceUnavailable, "given up after 8 attempts", 8),
    ],
)
def test_proxy_that_refuses(
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    kind: type[Exception],
    reason: str,
    attempts: int,
) -> None:
    """What its owner has to mend is said at once."""
    target = server.origin.removeprefix("https://")
    with ScriptedServer() as proxy:
        proxy.steps[target] = [reply(status, b"", {"Proxy-Authenticate": f"Basic realm={PASSWORD}"})]
        monkeypatch.setenv("https_proxy", proxy.origin)

        assert reason in refusal(server, kind)
        assert attempts == len(proxy.asked)


def test_interim_answer_of_a_proxy(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read over, too; the tunnel begins after the final one."""
    target = server.origin.removeprefix("https://")

    def tunnel(connection: socket.socket) -> None:
        host, _, port = target.partition(":")
        with socket.create_connection((host, int(port))) as there:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 200 Connected\r\n\r\n")
            joined(connection, there)

    with ScriptedServer() as proxy:
        proxy.steps[target] = [tunnel]
        monkeypatch.setenv("https_proxy", proxy.origin)

        assert BODY == client_of(server).get(f"{server.origin}/x?a=%2f", IMPORTS)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        ("missing", "does not exist"),
        ("empty.pem", "holds no certificates in PEM form"),
        ("words.pem", "holds no certificates in PEM form"),
        ("folder", "holds no certificates by their hashes"),
    ],
)
def test_bundle_that_cannot_be_used(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, bundle: str, reason: str
) -> None:
    """A wrong setting, by its name, before anything is asked."""
    (tmp_path / "empty.pem").touch()
    (tmp_path / "words.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "certificate.pem").write_bytes((tmp_path / "certificate.pem").read_bytes())
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.setenv(name, str(tmp_path / bundle))
    said = refusal(server, UsageError)

    assert said.startswith(f"{name}: ")
    assert reason in said
    assert [] == server.asked


def test_folder_of_certificates(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that OpenSSL can use is used."""
    (tmp_path / "hashed").mkdir()
    for digits in ("53b7e5f4", "00000000"):
        (tmp_path / "hashed" / f"{digits}.0").write_bytes((tmp_path / "certificate.pem").read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "hashed"))

    assert "its certificate is not trusted" in refusal(server, SourceRefused)
