"""Settings: where they come from, what they default to, and what is said when they are wrong."""

import base64
import os
import pwd
import re
import threading
from pathlib import Path
from typing import NoReturn

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import ValidationError

from etl.config import (
    AccountSettings,
    WarehouseSettings,
    account_names,
    load,
    load_accounts,
    load_warehouse,
    real_accounts,
)
from etl.config.keys import algorithm_of
from etl.errors import UsageError

SECRET = "pl4nted-s3cret"
BASICS = {"TALKDESK_ACCOUNT": "acme", "TALKDESK_CLIENT_ID": "client", "TALKDESK_CLIENT_SECRET": SECRET}


@pytest.fixture(name="set_all")
def _set_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BASICS.items():
        monkeypatch.setenv(name, value)


def pem(key: PrivateKeyTypes, passphrase: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def problem(monkeypatch: pytest.MonkeyPatch, **variables: str | None) -> str:
    """What is said of these variables, set over the basic ones."""
    for name, value in {**BASICS, **variables}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        load_accounts()

    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("set_all")
def test_three_variables_are_enough() -> None:
    """Account, client and secret give everything else."""
    (account,) = load_accounts()

    assert "acme" == account.name
    assert "https://api.talkdeskapp.com" == account.api_url
    assert "https://acme.talkdeskid.com/oauth/token" == account.token_url
    assert SECRET == account.client_secret.get_secret_value()  # type: ignore[union-attr]
    assert (8, None, 30, 120) == (
        account.concurrency,
        account.requests_per_second,
        account.timeout,
        account.retry_seconds,
    )
    assert (20, "keep", (), None) == (
        account.retention_days,
        account.record_data,
        account.hash_columns,
        account.hash_key,
    )


@pytest.mark.parametrize(
    ("region", "api", "identity"),
    [("eu", "api.talkdeskapp.eu", "talkdeskid.eu"), ("CA", "api.talkdeskappca.com", "talkdeskidca.com")],
)
@pytest.mark.usefixtures("set_all")
def test_regions(monkeypatch: pytest.MonkeyPatch, region: str, api: str, identity: str) -> None:
    """A region has hosts of its own."""
    monkeypatch.setenv("TALKDESK_REGION", region)

    (account,) = load_accounts()

    assert f"https://{api}" == account.api_url
    assert f"https://acme.{identity}/oauth/token" == account.token_url


@pytest.mark.usefixtures("set_all")
def test_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable reaches its setting."""
    variables = {
        "API_URL": "https://gateway.example/talkdesk/",
        "TOKEN_URL": "https://gateway.example/token",
        "CONCURRENCY": "3",
        "REQUESTS_PER_SECOND": "2.5",
        "TIMEOUT": "7",
        "RETRY_SECONDS": "0",
        "RETENTION_DAYS": "10",
        "RECORD_DATA": "drop",
        "HASH_COLUMNS": "Email, Full Name,",
        "HASH_KEY": "k",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"TALKDESK_{name}", value)

    (account,) = load_accounts()

    assert "https://gateway.example/talkdesk" == account.api_url
    assert "https://gateway.example/token" == account.token_url
    assert (3, 2.5, 7, 0, 10) == (
        account.concurrency,
        account.requests_per_second,
        account.timeout,
        account.retry_seconds,
        account.retention_days,
    )
    assert ("drop", ("Email", "Full Name")) == (account.record_data, account.hash_columns)


def test_all_problems_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable that is wrong is named, each once."""
    said = problem(
        monkeypatch,
        TALKDESK_ACCOUNT=None,
        TALKDESK_CLIENT_ID=None,
        TALKDESK_CLIENT_SECRET=None,
        TALKDESK_REGION="mars",
        TALKDESK_CONCURRENCY="many",
        TALKDESK_HASH_COLUMNS="Email",
    )

    for name in ("ACCOUNT", "CLIENT_ID", "CLIENT_SECRET", "REGION", "CONCURRENCY", "HASH_KEY"):
        assert 1 == said.count(f"TALKDESK_{name}: ")


@pytest.mark.usefixtures("set_all")
def test_both_kinds_at_once() -> None:
    """The warehouse's settings and the accounts' are read together."""
    warehouse, accounts = load()

    assert (load_warehouse(), load_accounts()) == (warehouse, accounts)


@pytest.mark.usefixtures("set_all")
def test_problems_of_both_kinds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The warehouse's settings and the accounts' are judged together."""
    monkeypatch.setenv("DATABASE_URL", f"mysql://root:{SECRET}@db/x")
    monkeypatch.setenv("TALKDESK_TIMEOUT", "0")

    with pytest.raises(UsageError) as caught:
        load()

    assert "DATABASE_URL: should begin with postgresql://; TALKDESK_TIMEOUT: should be greater than 0" == str(
        caught.value
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TALKDESK_CONCURRENCY", "0"),
        ("TALKDESK_CONCURRENCY", "65"),
        ("TALKDESK_REQUESTS_PER_SECOND", "0"),
        ("TALKDESK_REQUESTS_PER_SECOND", "nan"),
        ("TALKDESK_TIMEOUT", "-1"),
        ("TALKDESK_TIMEOUT", "inf"),
        ("TALKDESK_RETRY_SECONDS", "-0.1"),
        ("TALKDESK_RETENTION_DAYS", "0"),
        ("TALKDESK_RECORD_DATA", "burn"),
        ("TALKDESK_ACCOUNT", "acme.evil.example"),
        ("TALKDESK_ACCOUNT", "-acme"),
        ("TALKDESK_ACCOUNT", "a" * 64),
        ("TALKDESK_CLIENT_ID", "cli\u00e9nt"),
        ("TALKDESK_API_URL", "http://api.example"),
        ("TALKDESK_API_URL", "ftp://127.0.0.1"),
        ("TALKDESK_API_URL", "api.example"),
        ("TALKDESK_API_URL", "https://"),
        ("TALKDESK_API_URL", "https://api.example:port"),
        ("TALKDESK_API_URL", f"https://user:{SECRET}@api.example"),
        ("TALKDESK_API_URL", f"https://api.example/?key={SECRET}"),
        ("TALKDESK_API_URL", "https://api.exam ple"),
        ("TALKDESK_TOKEN_URL", "http://127.0.0.1.evil.example/token"),
        ("TALKDESK_TOKEN_URL", "http://localhost.evil.example/token"),
    ],
)
def test_values_that_are_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """A value out of range or shape is refused by its variable's name, and by no other."""
    said = problem(monkeypatch, **{variable: value})

    assert said.startswith(f"{variable}: ")
    assert ";" not in said


@pytest.mark.parametrize("variable", ["TALKDESK_API_URL", "TALKDESK_TOKEN_URL"])
@pytest.mark.parametrize(
    "rest",
    [
        "u:pl@nted@h",
        "u:planted/x@h",
        "u:12/planted@h",
        "u:12/planted",
        "u:planted#x@h",
        "u:12#planted@h",
        "u:planted?x@h/y",
        "u:planted\\x@h",
        "u:12\\planted@h",
        "[planted",
        "u:[planted]@h",
        "u:planted",
        "h:99999",
    ],
)
def test_no_part_of_an_address_is_shown(monkeypatch: pytest.MonkeyPatch, variable: str, rest: str) -> None:
    """Whatever stands in it that had to be percent-encoded, the address is refused and not shown."""
    said = problem(monkeypatch, **{variable: f"http://{rest}"})

    assert said.startswith(f"{variable}: ")
    assert not {"plan", "planted", "nted", "12", "99999"} & set(re.split(r"[^a-z0-9]+", said))


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:8080"])
@pytest.mark.usefixtures("set_all")
def test_plain_http_on_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A loopback host may be asked without encryption."""
    monkeypatch.setenv("TALKDESK_API_URL", f"http://{host}/")

    (account,) = load_accounts()

    assert f"http://{host}" == account.api_url


def test_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is read, the environment wins, and an empty variable is none."""
    Path(".env").write_text("TALKDESK_ACCOUNT=file\nTALKDESK_CLIENT_ID=file\nTALKDESK_CLIENT_SECRET=file\nOTHER=1\n")
    monkeypatch.setenv("TALKDESK_ACCOUNT", "Shell")
    monkeypatch.setenv("TALKDESK_CLIENT_ID", "")
    monkeypatch.setenv("TALKDESK_REGION", "")

    (account,) = load_accounts()

    assert ("shell", "file", "us") == (account.name, account.client_id, account.region)


def test_env_file_that_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` that cannot be read is named."""
    Path(".env").write_bytes(b"A=1\nTALKDESK_ACCOUNT=\xff\xfe\n")

    assert ".env line 2 cannot be read: no text in UTF-8" == problem(monkeypatch)


@pytest.mark.parametrize(
    ("expected", "content"),
    [("acme", b"\xef\xbb\xbfTALKDESK_ACCOUNT=acme\n"), (".env line 2 is no NAME=value", b"A=1\nwhat?\nand?\n")],
)
def test_env_file_that_is_a_pipe(monkeypatch: pytest.MonkeyPatch, expected: str, content: bytes) -> None:
    """Whoever asks later, in the same process, hears the same: nobody writes it a second time."""
    os.mkfifo(".env")
    writer = threading.Thread(target=lambda: Path(".env").write_bytes(content))
    writer.start()
    said = problem(monkeypatch, TALKDESK_ACCOUNT=None, TALKDESK_CLIENT_ID=None)
    writer.join()

    assert said == problem(monkeypatch, TALKDESK_ACCOUNT=None, TALKDESK_CLIENT_ID=None)
    assert expected in (said, *account_names_if_any())


def account_names_if_any() -> tuple[str, ...]:
    """What is configured, nothing if that cannot be told."""
    try:
        return account_names()
    except UsageError:
        return ()


def test_an_empty_database_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets it means a warehouse: neither the embedded one nor that of `.env` is taken for it."""
    Path(".env").write_text("DATABASE_URL=postgresql://u@elsewhere/d\n")
    monkeypatch.setenv("DATABASE_URL", "")

    with pytest.raises(UsageError, match=r"^DATABASE_URL: is empty"):
        load_warehouse()


def test_unknown_names(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Each is said once, with the nearest setting, wherever it stands; no value is."""
    Path(".env").write_text(f"TALKDESK_ACOUNT={SECRET}\nOTHER=1\n")
    monkeypatch.setenv("TALKDESK_DATABASE_URL", SECRET)
    monkeypatch.setenv("TALKDESK_PRIVATE_KEY", SECRET)
    monkeypatch.setenv("talkdesk_region", "eu")
    load_warehouse()
    load_warehouse()

    assert [
        "TALKDESK_DATABASE_URL is no setting: the nearest is DATABASE_URL",
        "TALKDESK_PRIVATE_KEY is no setting: the nearest is TALKDESK_PRIVATE_KEY_FILE",
        "talkdesk_region is no setting: the nearest is TALKDESK_REGION",
        ".env: TALKDESK_ACOUNT is no setting: the nearest is TALKDESK_ACCOUNT",
    ] == caplog.messages


def test_real_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox on this machine is none, however little else is said of an account."""
    assert () == real_accounts()
    monkeypatch.setenv("TALKDESK_ACCOUNT", "acme")
    assert ("acme",) == real_accounts()
    monkeypatch.setenv("TALKDESK_API_URL", "http://[::1]:8800")
    assert () == real_accounts()


@pytest.mark.usefixtures("set_all")
def test_secrets_print_as_stars() -> None:
    """Neither repr nor str of settings holds a secret."""
    account = load_accounts()[0]
    warehouse = WarehouseSettings(database_url=f"postgresql://u:{SECRET}@h/d")

    assert SECRET not in f"{account!r} {account} {warehouse!r} {warehouse}"


def test_settings_are_frozen_and_take_nothing_from_around() -> None:
    """Settings made in code are what is given, and stay so."""
    Path(".env").write_text("TALKDESK_CONCURRENCY=9\nTALKDESK_ETL_HOME=/elsewhere\n")
    account = AccountSettings(account="acme", name="acme", client_id="c", client_secret="s")

    with pytest.raises(ValidationError):
        account.concurrency = 1  # type: ignore[misc]
    assert (8, "acme") == (account.concurrency, account.account)


def test_secret_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The secret may stand in a file; the line's end is not part of it."""
    (tmp_path / "secret").write_text(f"{SECRET}\r\n")
    problem(monkeypatch, TALKDESK_CLIENT_SECRET=None)
    monkeypatch.setenv("TALKDESK_CLIENT_SECRET_FILE", str(tmp_path / "secret"))

    (account,) = load_accounts()

    assert SECRET == account.client_secret.get_secret_value()  # type: ignore[union-attr]
    assert SECRET not in repr(account)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"", "is empty"), (b"\xff\xfe", "is no text"), (b"a\nb", "printable ASCII")],
)
@pytest.mark.parametrize("variable", ["TALKDESK_CLIENT_SECRET_FILE", "TALKDESK_PRIVATE_KEY_FILE"])
def test_files_that_are_of_no_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: bytes | None, reason: str
) -> None:
    """A file that is missing, empty or holds something else is reported by its variable."""
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)

    said = problem(monkeypatch, **{"TALKDESK_CLIENT_SECRET": None, "TALKDESK_KEY_ID": "k", variable: str(file)})

    if content == b"a\nb":
        assert ("printable ASCII" in said) or ("no private key" in said)
    else:
        assert f"{variable}: the file" in said
        assert reason in said


def test_secret_given_as_the_name_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret in the wrong variable is not repeated."""
    said = problem(monkeypatch, TALKDESK_CLIENT_SECRET=None, TALKDESK_CLIENT_SECRET_FILE=SECRET)

    assert "TALKDESK_CLIENT_SECRET_FILE: the file cannot be read: No such file or directory" == said


EC = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (pem(EC), "ES256"),
        (EC.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(), "ES256"),
        (base64.b64encode(EC.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode(), "ES256"),
        (base64.encodebytes(EC.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode(), "ES256"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "ES384"),
        (pem(ec.generate_private_key(ec.SECP521R1())), "ES512"),
        (pem(rsa.generate_private_key(65537, 2048)), "RS256"),
    ],
    ids=["PKCS#8", "SEC1", "Base64 in one line", "Base64 in lines", "P-384", "P-521", "RSA"],
)
def test_private_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, algorithm: str) -> None:
    """Keys come as PEM or as bare Base64; each is kept as PEM and knows its algorithm."""
    (tmp_path / "key").write_text(text)
    problem(monkeypatch, TALKDESK_CLIENT_SECRET=None, TALKDESK_PRIVATE_KEY_FILE=str(tmp_path / "key"))
    monkeypatch.setenv("TALKDESK_KEY_ID", "key-1")

    (account,) = load_accounts()
    key = account.private_key.get_secret_value()  # type: ignore[union-attr]

    assert key.startswith("-----BEGIN PRIVATE KEY-----")
    assert algorithm == algorithm_of(key)
    assert key.splitlines()[1] not in repr(account)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (pem(EC, b"word"), "protected by a passphrase"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "neither EC nor RSA"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "secp256k1"),
        (pem(EC)[:80], "holds no private key"),
        ("Zm9v", "holds no private key"),
        (SECRET, "holds no private key"),
    ],
    ids=["protected", "Ed25519", "secp256k1", "half", "Base64 of something else", "no Base64"],
)
def test_keys_of_no_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, reason: str) -> None:
    """What cannot sign is refused by the variable's name, and nothing of it is repeated."""
    (tmp_path / "key").write_text(text)

    said = problem(
        monkeypatch,
        TALKDESK_CLIENT_SECRET=None,
        TALKDESK_KEY_ID="key-1",
        TALKDESK_PRIVATE_KEY_FILE=str(tmp_path / "key"),
    )

    assert said.startswith("TALKDESK_PRIVATE_KEY_FILE: ")
    assert reason in said


def test_two_ways_to_sign_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret beside a key, or beside a secret file, is a question, not a choice."""
    (tmp_path / "key").write_text(pem(EC))
    (tmp_path / "secret").write_text(SECRET)

    with_key = problem(monkeypatch, TALKDESK_PRIVATE_KEY_FILE=str(tmp_path / "key"), TALKDESK_KEY_ID="k")
    with_file = problem(
        monkeypatch, TALKDESK_PRIVATE_KEY_FILE=None, TALKDESK_CLIENT_SECRET_FILE=str(tmp_path / "secret")
    )

    assert "TALKDESK_PRIVATE_KEY_FILE are both set" in with_key
    assert "set beside TALKDESK_CLIENT_SECRET_FILE" in with_file


def toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> str:
    """The path of a configuration file with this text, which the environment names."""
    file = tmp_path / "accounts.toml"
    file.write_text(text)
    monkeypatch.setenv("TALKDESK_ETL_CONFIG", str(file))
    return str(file)


TWO = """
[accounts.Alpha]
client_id = "a"
client_secret = "secret-of-alpha"
concurrency = 2
hash_columns = ["Email"]

[accounts.beta]
account = "beta-eu"
region = "eu"
"""


@pytest.mark.usefixtures("set_all")
def test_many_accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each table is an account; what it leaves out comes from the environment, but for the account's name."""
    toml(monkeypatch, tmp_path, TWO)
    monkeypatch.setenv("TALKDESK_HASH_KEY", "k")

    alpha, beta = load_accounts()

    assert ("alpha", "alpha", "a", 2) == (alpha.name, alpha.account, alpha.client_id, alpha.concurrency)
    assert ("beta", "https://beta-eu.talkdeskid.eu/oauth/token") == (beta.name, beta.token_url)
    assert ("client", SECRET) == (beta.client_id, beta.client_secret.get_secret_value())  # type: ignore[union-attr]
    assert (("Email",), ()) == (alpha.hash_columns, beta.hash_columns)


def test_way_to_sign_in_of_the_table_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret in the table is no second way beside a key in the environment."""
    (tmp_path / "key").write_text(pem(EC))
    monkeypatch.setenv("TALKDESK_PRIVATE_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("TALKDESK_KEY_ID", "k")
    toml(monkeypatch, tmp_path, '[accounts.a]\nclient_id="a"\nclient_secret="s"\n[accounts.b]\nclient_id="b"\n')

    a, b = load_accounts()

    assert (None, "k") == (a.private_key, b.key_id)
    assert b.private_key is not None


@pytest.mark.usefixtures("set_all")
def test_chosen_accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Accounts are chosen by name in any case, once each; an unknown name is refused."""
    toml(monkeypatch, tmp_path, TWO.replace('hash_columns = ["Email"]', ""))

    assert ["beta"] == [account.name for account in load_accounts(["BETA", "beta"])]
    with pytest.raises(UsageError, match=r"^--account gamma is not configured; alpha, beta is"):
        load_accounts(["gamma"])
    monkeypatch.delenv("TALKDESK_ETL_CONFIG")
    assert ["acme"] == [account.name for account in load_accounts(["Acme"])]
    with pytest.raises(UsageError, match=r"^--account beta is not configured; acme is"):
        load_accounts(["beta"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accounts = [", "is no TOML (at end of document)"),
        ('[accounts.a]\nclient_secret = "x\x01"', "is no TOML (at line 2, column 19)"),
        ("[accounts.a]\nclient_secret = {pl4nted-s3cret = 1, pl4nted-s3cret = 2}", "is no TOML (at line 2, column 56)"),
        ("", "accounts: there should be"),
        ("accounts = 3", "accounts: there should be"),
        ("[accounts]\na = 1", "accounts: there should be"),
        ("[acounts.a]", "no such setting: acounts"),
        ('[accounts.a]\nclient_secrt = "pl4nted-s3cret"', "[accounts.a] client_secrt: no such setting"),
        ('[accounts.a]\nname = "b"', "[accounts.a] name: no such setting"),
        ("[accounts.a]\ntimeout = true", "[accounts.a] timeout: should be a number"),
        ('[accounts.a]\nconcurrency = "many"', "[accounts.a] concurrency: should be a valid integer"),
        ("[accounts.a]\nclient_secret = 12", "[accounts.a] client_secret: should be a valid string"),
        ('[accounts."a.b"]\n', "[accounts.a.b] account: should be one DNS label"),
        ('[accounts.a]\naccount = "x/y"\n', "[accounts.a] account: should be one DNS label"),
        ("[accounts.Acme]\n[accounts.acme]", "[accounts.acme] stands there twice"),
    ],
)
def test_configuration_files_that_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str
) -> None:
    """A mistake in the file is reported in one line that names the file and the key."""
    file = toml(monkeypatch, tmp_path, text)

    message = problem(monkeypatch)

    assert message.startswith(file)
    assert said in message


def test_configuration_file_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, the file and the reason are named."""
    said = problem(monkeypatch, TALKDESK_ETL_CONFIG="nowhere.toml")

    assert "TALKDESK_ETL_CONFIG: nowhere.toml cannot be read: No such file or directory" == said


def test_missing_in_both_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What neither the table nor the environment has is reported by both names, for every account."""
    file = toml(monkeypatch, tmp_path, "[accounts.a]\n[accounts.b]\n")

    said = problem(monkeypatch, TALKDESK_CLIENT_ID=None)

    assert (
        f"TALKDESK_CLIENT_ID ({file} [accounts.a] client_id): is required; "
        f"TALKDESK_CLIENT_ID ({file} [accounts.b] client_id): is required"
    ) == said


def test_warehouse_by_default(tmp_path: Path) -> None:
    """Without a variable the warehouse is the embedded one in the user's data folder."""
    warehouse = load_warehouse()

    assert (None, 90) == (warehouse.database_url, warehouse.rejected_keep_days)
    assert warehouse.embedded_home.is_relative_to(tmp_path)
    assert "talkdesk-etl" == warehouse.embedded_home.name


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_warehouse_elsewhere(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """The three spellings of a PostgreSQL address are taken as they are."""
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u@h/d")
    monkeypatch.setenv("TALKDESK_ETL_HOME", "relative")
    monkeypatch.setenv("TALKDESK_REJECTED_KEEP_DAYS", "7")

    warehouse = load_warehouse()

    assert "postgresql://u@h/d" == warehouse.database_url.get_secret_value()  # type: ignore[union-attr]
    assert (Path.cwd() / "relative", 7) == (warehouse.home, warehouse.rejected_keep_days)


def test_home_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder that does not exist is no traceback."""
    monkeypatch.setenv("TALKDESK_ETL_HOME", "~no-such-user-here/x")

    with pytest.raises(UsageError, match=r"^TALKDESK_ETL_HOME: "):
        load_warehouse()


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user id without a name needs one for the embedded database alone."""

    def nobody(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME")

    with pytest.raises(UsageError, match=r"^TALKDESK_ETL_HOME: is required .* DATABASE_URL"):
        load_warehouse()
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    assert load_warehouse().home is None
    monkeypatch.setenv("TALKDESK_ETL_HOME", "/srv/talkdesk")
    assert Path("/srv/talkdesk") == load_warehouse().embedded_home


def test_reading_settings_changes_no_environment() -> None:
    """`.env` is read for us alone."""
    Path(".env").write_text("TALKDESK_REGION=eu\n")
    load_warehouse()

    assert "TALKDESK_REGION" not in os.environ


@pytest.mark.parametrize(
    "rest",
    [
        "u:pl@nted@h/d",
        "u:planted/x@h/d",
        "u:12/planted@h/d",
        "planted@x:p@h/d",
        "u:planted%zz@h/d",
        "u:plan ted@h/d",
        "u:p@h:planted/d",
        "u:p@h/d@planted",
        "u:pl@nted?host=x@h/d",
        "u:12/nted?host=x@h/d",
    ],
)
def test_an_address_that_can_be_read_in_two_ways(monkeypatch: pytest.MonkeyPatch, rest: str) -> None:
    """What had to be percent-encoded would be taken for a host or a port, and shown; it is refused and not shown."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://{rest}")

    with pytest.raises(UsageError, match=r"^DATABASE_URL: should be postgresql://user:password@") as refused:
        load_warehouse()
    assert not {"plan", "nted", "12", "zz"} & set(re.split(r"[^a-z0-9]+", str(refused.value)))


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "h",
        "u:p@h/d",
        "u:p%40x@[::1]:5432/d",
        "@/d?host=%2Ftmp&user=me@corp",
        "u@h1:1,h2:2/d?target_session_attrs=any",
        "u:p#x@h/d",
        "u:p?x:[y]@h/d",
        "h:5432/d?options=-c%20geqo%3Doff",
    ],
)
def test_an_address_that_can_be_read_in_one_way(monkeypatch: pytest.MonkeyPatch, rest: str) -> None:
    """It reaches libpq as it was written."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql+psycopg://{rest}")
    url = load_warehouse().database_url

    assert url is not None
    assert f"postgresql://{rest}" == url.get_secret_value()


# Secrets in files


def test_secrets_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The warehouse's address and the key of hashed cells, too; the end of a line is not of them."""
    (tmp_path / "url").write_text("postgresql://u:p@h/d\n", encoding="utf-8")
    (tmp_path / "key").write_text("k e y\n", encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("TALKDESK_HASH_COLUMNS", "Email")
    monkeypatch.setenv("TALKDESK_HASH_KEY_FILE", str(tmp_path / "key"))
    for name in ("ACCOUNT", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"TALKDESK_{name}", "acme")
    warehouse, (account,) = load()

    assert warehouse.database_url is not None
    assert "postgresql://u:p@h/d" == warehouse.database_url.get_secret_value()
    assert account.hash_key is not None
    assert "k e y" == account.hash_key.get_secret_value()
    assert "u:p" not in repr(warehouse)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"DATABASE_URL_FILE": "url", "DATABASE_URL": "postgresql://h/d"},
            "DATABASE_URL: set beside DATABASE_URL_FILE",
        ),
        ({"DATABASE_URL_FILE": "nowhere"}, "DATABASE_URL_FILE: the file cannot be read: No such file or directory"),
        ({"DATABASE_URL_FILE": "empty"}, "DATABASE_URL_FILE: the file is empty"),
        ({"DATABASE_URL_FILE": "wrong"}, "DATABASE_URL: should begin with postgresql://"),
    ],
)
def test_files_that_will_not_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    """One problem each, by name, and nothing of what is in the file."""
    for name, content in (("url", "postgresql://u:p@h/d"), ("empty", "\n"), ("wrong", "secret")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value) if name.endswith("FILE") else value)
    with pytest.raises(UsageError) as caught:
        load_warehouse()

    assert str(caught.value).startswith(said)
    assert ";" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_key_file_is_complained_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """That there is no key follows from it."""
    for name, value in BASICS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TALKDESK_HASH_COLUMNS", "Email")
    monkeypatch.setenv("TALKDESK_HASH_KEY_FILE", "/nowhere")
    with pytest.raises(UsageError) as caught:
        load_accounts()

    assert "TALKDESK_HASH_KEY_FILE: the file cannot be read: No such file or directory" == str(caught.value)
