"""The program as it is typed, without the half second of loading: a server loads it once, each call is a fork of it."""

import importlib
import json
import os
import pkgutil
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CALL = """#!/bin/sh
exec {python} -IS {client} "$@"
"""
"""A line that begins with #! takes no path with a space in it."""

CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(9) or 70))
"""
NOT_LOADED = ("etl.__main__", "etl.migrations")


@contextmanager
def program(folder: Path) -> Iterator[Path]:
    """A folder to put on PATH, in which `talkdesk-etl` is there."""
    path = folder / "socket"
    (folder / "bin").mkdir()
    client, typed = folder / "client.py", folder / "bin" / "talkdesk-etl"
    client.write_text(CLIENT.format(path=str(path)), encoding="utf-8")
    call = CALL.format(python=shlex.quote(sys.executable), client=shlex.quote(str(client)))
    typed.write_text(call, encoding="utf-8")
    typed.chmod(0o755)
    with subprocess.Popen([sys.executable, "-m", __name__, str(path)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert b"ready\n" == server.stdout.readline()
        yield folder / "bin"
        server.terminate()


def serve(path: str) -> None:
    """Answer calls until somebody ends it."""
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)  # noqa: T201 - who waits for it reads it
        while True:
            call, _ = listener.accept()
            if os.fork() == 0:
                _answer(call)
            call.close()


def _load() -> None:
    import etl  # noqa: PLC0415

    for module in pkgutil.walk_packages(etl.__path__, "etl."):
        if not module.name.startswith(NOT_LOADED):
            importlib.import_module(module.name)


def _answer(call: socket.socket) -> None:
    from etl.cli import main  # noqa: PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, *_ = socket.recv_fds(call, 1, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv, folder, environment = json.loads(call.makefile("rb").read())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        code = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    call.sendall(str(code).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
