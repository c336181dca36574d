"""`embedded`: an address that holds for others, a file of everything, and the way to another server."""

import os
import stat
import subprocess
import threading
from pathlib import Path

import psycopg
import pytest

from etl.commands.embedded import _written
from etl.errors import UsageError
from etl.warehouse import embedded
from etl.warehouse.embedded import binaries
from etl.warehouse.embedded.copies import restore
from etl.warehouse.embedded.server import running
from etl.warehouse.migrating import migrate
from tests.commands.command import Command
from tests.launcher import ask, is_alive

NOT_OURS = "postgresql://nobody@127.0.0.1:1/elsewhere"
ADD = "INSERT INTO talkdesk.imports (account, import_id, filename) VALUES ('acme', 'i1', E'line\\nbreak')"
KEPT = "SELECT filename FROM talkdesk.imports WHERE import_id = 'i1'"


def test_the_way_to_a_server(home: Path, empty_url: str, tmp_path: Path) -> None:
    """The URL outlives the command that printed it; dump, restore elsewhere; stop. DATABASE_URL is not meant."""
    run = Command({"TALKDESK_ETL_HOME": str(home), "DATABASE_URL": NOT_OURS})
    url = run("embedded", "url").out.strip()
    with psycopg.connect(url) as connection:
        connection.execute(ADD)
    file = tmp_path / "kept.dump"
    dumped = run("embedded", "dump", str(file), "--json")

    assert {"path": str(file), "bytes": file.stat().st_size} == dumped.json
    assert f"the embedded database in {home}" in dumped.err
    assert (0o600, [file]) == (stat.S_IMODE(file.stat().st_mode), list(tmp_path.glob("*kept*")))
    done = run("embedded", "restore", str(file))
    assert (2, True) == (done.code, "holds data" in done.err)
    assert "no text" in run("embedded", "dump", "-", "--json").err

    other = Command({"TALKDESK_ETL_HOME": str(home.parent / "other")})
    assert 0 == other("embedded", "restore", str(file)).code
    assert [{"filename": "line\nbreak"}] == other("query", KEPT, "--json").json["rows"]
    damaged = tmp_path / "damaged"
    damaged.write_bytes(file.read_bytes()[:-20])
    with running(home.parent / "third") as third:
        migrate(third)
        with damaged.open("rb") as source, pytest.raises(UsageError, match="nothing was restored"):
            restore(home.parent / "third", third, source)

    newest = next(binaries.installed()).folder / "pg_restore"
    subprocess.run((newest, "-O", "-1", "-e", "-d", empty_url, file), check=True)
    assert "line\nbreak" == ask(empty_url, KEPT)

    assert 0 == run("embedded", "stop").code
    assert not is_alive(home)


def test_a_file_that_is_no_dump(home: Path, tmp_path: Path) -> None:
    """Is wrong use, in one line; so is one that is not there, and a command without its file."""
    run = Command({"TALKDESK_ETL_HOME": str(home)})
    (tmp_path / "text").write_text("PGDMP and no more")

    for arguments, said in {
        ("restore", str(tmp_path / "text")): "is no dump of a warehouse",
        ("restore", str(tmp_path / "nothing")): "cannot be read: No such file",
        ("dump",): "takes a FILE",
        ("stop", "x"): "takes no file",
    }.items():
        done = run("embedded", *arguments)
        assert (2, "", 1) == (done.code, done.out, done.err.count("\n"))
        assert said in done.err


def test_stop_takes_the_socket_s_folder_with_it(session_folder: Path) -> None:
    """Where the home's path is no name for a socket, it lay in /tmp."""
    home = session_folder / ("x" * 100)
    embedded.start(home)
    elsewhere = (home / "socket").readlink()
    embedded.stop(home)

    assert not elsewhere.exists()
    with running(home) as url:
        assert ask(url)


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """A pipe stays one, and so would a device."""

    def put(out: Path) -> None:
        out.write_bytes(b"dump")

    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    link.symlink_to(file)
    writer = threading.Thread(target=_written, args=(pipe, put))
    writer.start()

    assert b"dump" == pipe.read_bytes()
    writer.join()
    assert pipe.is_fifo()
    assert 4 == _written(link, put)
    assert (True, b"dump") == (link.is_symlink(), file.read_bytes())
