"""The embedded PostgreSQL: started once, joined, left, and found again whatever died."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from etl.warehouse import embedded
from etl.warehouse.embedded import binaries, owners, places, server
from tests.launcher import ask, failure_inside, finish, is_alive, postmaster, spawn

# Start, join, leave


def test_first_start_makes_a_database_that_later_starts_find(home: Path) -> None:
    """What was stored is there when the server was stopped and started again."""
    with embedded.running(home) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert not is_alive(home)

    with embedded.running(home) as again:
        assert again == url
        assert ask(again, "SELECT answer FROM kept") == 42


def test_the_url_means_the_same_to_libpq_and_sqlalchemy(started: Path) -> None:
    """Database, user, socket and port are all in it."""
    url = embedded.start(started)
    parsed = make_url(url)

    assert psycopg.conninfo.conninfo_to_dict(url) == {
        "dbname": "talkdesk",
        "user": "talkdesk",
        "host": parsed.query["host"],
        "port": "5432",
    }


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("listen_addresses", ""),
        ("TimeZone", "UTC"),
        ("server_encoding", "UTF8"),
        ("port", "5432"),
        ("work_mem", "7MB"),
        ("search_path", '"a b", "c$d"'),
    ],
)
def test_settings(started: Path, setting: str, expected: str) -> None:
    """Ours hold whatever the caller's PG variables say, and the caller's own arrive as they are."""
    assert ask(embedded.start(started), f"SHOW {setting}") == expected


def test_joining_changes_nothing(started: Path) -> None:
    """The server is the same one, and settings of the second start are without effect."""
    url = embedded.start(started)
    before = ask(url)

    assert ask(embedded.start(started, settings={"work_mem": "9MB"})) == before
    assert ask(url, "SHOW work_mem") == "7MB"


def test_eight_processes_share_one_server(home: Path) -> None:
    """All start at once in a home that does not exist; one server serves them and ends with the last."""
    code = "\nwith embedded.running(home) as url: print(ask(url)); time.sleep(1.5)"
    processes = [spawn(code, home) for _ in range(8)]

    assert len({finish(process) for process in processes}) == 1
    assert not is_alive(home)
    assert not (home / "server").is_symlink()


def test_the_last_to_leave_stops_the_server(home: Path) -> None:
    """Neither the first to come nor an error inside decides."""
    with embedded.running(home) as url:
        with pytest.raises(ZeroDivisionError), embedded.running(home):
            1 / 0  # noqa: B018

        assert ask(url)
    assert not is_alive(home)


def test_a_server_left_by_a_killed_process_is_found_and_used(home: Path) -> None:
    """The next one joins it, and stops it when it leaves."""
    killed = spawn("\nwith embedded.running(home) as url: print(ask(url), flush=True); time.sleep(60)", home)
    assert killed.stdout
    before = killed.stdout.readline().strip()
    killed.kill()
    killed.communicate()

    with embedded.running(home) as url:
        assert str(ask(url, "SELECT pg_postmaster_start_time()::text")) == before
    assert not is_alive(home)


def test_stop_is_welcome_at_any_time(home: Path) -> None:
    """Before the first start, while somebody is connected, and again."""
    embedded.stop(home)
    assert not home.exists()

    with psycopg.connect(embedded.start(home)):
        embedded.stop(home)
        assert not is_alive(home)
    embedded.stop(home)


# What a death leaves behind


def test_a_stale_pid_of_a_living_stranger_is_not_believed(home: Path) -> None:
    """The server starts, and the stranger lives on, also when the server is stopped."""
    embedded.start(home)
    with places.entered(home) as cluster:
        account = cluster.account
    uid, gid = account or (None, None)
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=uid, group=gid)
    pid_file, old = home / "server/data/postmaster.pid", str(postmaster(home))
    os.kill(int(old), signal.SIGKILL)
    for path in (pid_file, home / f"server/{places.SOCKET}.lock"):
        path.write_text(path.read_text().replace(old, str(stranger.pid), 1))

    embedded.stop(home)
    with embedded.running(home) as url:
        assert ask(url)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_an_unfinished_initdb_is_begun_anew(home: Path) -> None:
    """Only the finished folder bears the name that counts."""
    with places.entered(home) as cluster:
        unfinished = cluster.server / "data.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")

    with embedded.running(home) as url:
        assert ask(url)
    assert not unfinished.exists()


def test_a_server_started_by_hand_is_left_alone(home: Path) -> None:
    """It has its socket elsewhere; starting a second one on the same data would end it."""
    embedded.start(home)
    embedded.stop(home)
    with places.entered(home) as cluster:
        elsewhere = places._private_folder(home.parent, "", cluster.account)
        pg_ctl = (binaries.binaries_for(cluster) / "pg_ctl", "-w", "-m", "fast")
        options = ("-o", f"-k {elsewhere} -c listen_addresses=")
        owners.run((*pg_ctl, *options, "start"), cluster.account, folder=cluster.server)

        said = failure_inside(cluster)
        owners.run((*pg_ctl, "stop"), cluster.account, folder=cluster.server)

    assert "is in use by a PostgreSQL started by hand: end process" in said


def test_the_log_does_not_grow_for_ever(home: Path) -> None:
    """One older part is kept."""
    with embedded.running(home):
        pass
    (home / "server.log").write_text("x" * server.LOG_BYTES + "\n")

    with embedded.running(home):
        assert (home / "server.log").stat().st_size < 10_000
        assert (home / "server.log.1").stat().st_size > server.LOG_BYTES


# Paths


@pytest.mark.parametrize("name", ["with spaces", "a,comma", "x" * 150, "quo\"te' $HOME `id` ü+%41"])
def test_any_path_will_do(folder: Path, name: str) -> None:
    """Too long for a socket, special to libpq, to the shell or to a URL."""
    with embedded.running(folder / name / "home") as url, embedded.running(folder / name / "home") as joined:
        assert ask(url) == ask(joined)


def test_a_swept_tmp_gets_a_new_socket_folder(folder: Path) -> None:
    """Also when somebody else has taken the old name, as a folder or as a link."""
    home = folder / ("x" * 100)
    with embedded.running(home):
        old = (home / "socket").readlink()
    shutil.rmtree(old)
    old.mkdir(mode=0o755)

    with embedded.running(home) as url:
        assert (home / "socket").readlink() != old
        assert ask(url)
    old.rmdir()
