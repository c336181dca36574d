"""Where settings come from: the environment, `.env`, and a TOML file with many accounts."""

import logging
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ConfigDict, Field, SecretStr, ValidationError

from etl.config.dotenv import read_dotenv
from etl.config.fields import is_local, label
from etl.config.models import AccountSettings, Configured, MonitorSettings, Settings, WarehouseSettings
from etl.errors import UsageError

log = logging.getLogger(__name__)

T = TypeVar("T")
S = TypeVar("S", bound=Settings)
A = TypeVar("A", AccountSettings, Configured)

# Whoever gives one of these in an account's table has chosen a way to sign in; the environment's is another one.
_WAYS_IN = frozenset({"client_secret", "client_secret_file", "private_key_file", "key_id"})
_HASH_KEYS = frozenset({"hash_key", "hash_key_file"})
_NO_VARIABLES = frozenset({"name", "private_key"})
DOTENV = Path(".env")
_PLACE = re.compile(r" \(at [^()]*\)\Z")


class ConfigFile(Settings):
    """Where many accounts stand."""

    prefix = "TALKDESK_ETL_"
    model_config = ConfigDict(extra="ignore")

    config: str | None = Field(
        default=None,
        description="TOML file with many accounts, [accounts.NAME]: these settings in lower case without the prefix",
    )


class _Given(NamedTuple):
    """What is said of one account, how a message names one of its keys, and the keys that mean nothing."""

    values: dict[str, Any]
    name_of: Callable[[str], str]
    unknown: Sequence[str] = ()


def load(names: Sequence[str] = (), only: str | None = None) -> tuple[WarehouseSettings, tuple[AccountSettings, ...]]:
    """Load the settings of warehouse and accounts, as `load_accounts` has them; UsageError lists all problems."""
    problems: list[str] = []
    warehouse = _collect(load_warehouse, problems)
    accounts = _collect(partial(load_accounts, names, only), problems)
    if warehouse is None or accounts is None:
        raise UsageError("; ".join(dict.fromkeys(problems)))
    return warehouse, accounts


def load_warehouse() -> WarehouseSettings:
    """Return the settings of the warehouse; UsageError lists all problems."""
    return _built(WarehouseSettings, _Given(_variables(WarehouseSettings), _variable))


def ping_url() -> str | None:
    """Return the address of the monitor, if there is one."""
    url = _built(MonitorSettings, _Given(_variables(MonitorSettings), _variable)).ping_url
    return None if url is None else url.get_secret_value()


def load_accounts(names: Sequence[str] = (), only: str | None = None) -> tuple[AccountSettings, ...]:
    """Return the settings of all accounts or of those named, reduced to one part; UsageError lists all problems."""
    given = _given_accounts()
    wanted = [name.lower() for name in names] or list(given)
    known = ", ".join(filter(None, given)) or "nothing, TALKDESK_ACCOUNT is not set"
    problems = [f"--account {name} is not configured; {known} is" for name in wanted if name not in given]
    built = [
        _collect(partial(_built, AccountSettings, given[name]), problems)
        for name in dict.fromkeys(wanted)
        if name in given
    ]
    if problems:
        raise UsageError("; ".join(dict.fromkeys(problems)))
    accounts = tuple(account for account in built if account is not None)
    if only is None:
        return accounts
    alone = {"resources": ()} if only == "users" else {"resources": (only,), "users": "off"}
    return tuple(account.model_copy(update=alone) for account in having(accounts, only))


def complete_accounts() -> tuple[AccountSettings, ...]:
    """Return the accounts whose settings are complete, whatever is wrong with others."""
    try:
        given = _given_accounts()
    except UsageError:
        return ()
    problems: list[str] = []
    built = [_collect(partial(_built, AccountSettings, said), problems) for said in given.values()]
    return tuple(account for account in built if account is not None)


def having(accounts: Iterable[A], part: str) -> tuple[A, ...]:
    """Return those of the accounts that have the part; UsageError if none has it."""
    found = tuple(account for account in accounts if part in account.parts)
    if not found and part == "users":
        raise UsageError("none of these accounts has users: TALKDESK_USERS (users) is off; names or keep reads them")
    if not found:
        raise UsageError(f"none of these accounts has {part}, as TALKDESK_RESOURCES (resources) says")
    return found


def real_accounts() -> tuple[str, ...]:
    """Name the configured accounts that are not read from this machine, as a sandbox is; none if unreadable."""
    try:
        given = _given_accounts()
    except UsageError:
        return ()
    return tuple(name for name, said in given.items() if name and not is_local(str(said.values.get("api_url", ""))))


def log_format() -> str:
    """Return the form of what is logged; asked for before anything can be said, so that what is wrong is said later."""
    dotenv, name = _dotenv(), "TALKDESK_LOG_FORMAT"
    given = os.environ.get(name) or ("" if isinstance(dotenv, UsageError) else dotenv.get(name, ""))
    return given.strip().lower()


def account_name(text: str) -> str:
    """Return the name as settings spell it; UsageError if no account can have it."""
    try:
        return label(text)
    except ValueError as error:
        raise UsageError(f"the name of an account {error}") from None


def configured() -> tuple[Configured, ...]:
    """Return the accounts that are configured, whether or not their settings are complete."""
    given = _given_accounts()
    return tuple(
        _built(Configured, said._replace(values={**said.values, "name": name}, unknown=()))
        for name, said in given.items()
        if name
    )


def account_names() -> tuple[str, ...]:
    """Return the names of the accounts that are configured, whether or not their settings are complete."""
    return tuple(filter(None, _given_accounts()))


def _collect(load_one: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return load_one()
    except UsageError as error:
        problems.append(str(error))
        return None


def _given_accounts() -> dict[str, _Given]:
    """Return what is said of each account, by its name; with a configuration file the accounts are those in it."""
    fields = AccountSettings.model_fields.keys() - _NO_VARIABLES
    variables = {key: value for key, value in _variables(AccountSettings).items() if key in fields}
    file = _variables(ConfigFile).get("config")
    if not file:
        return {str(variables.get("account", "")).lower(): _Given(variables, _variable)}
    given: dict[str, _Given] = {}
    for name, table in _tables(file).items():
        if name.lower() in given:
            raise UsageError(f"{file}: [accounts.{name}] stands there twice, in upper and lower case")
        given[name.lower()] = _from_table(file, name, table, variables)
    return given


def _from_table(file: str, name: str, table: dict[str, Any], variables: dict[str, Any]) -> _Given:
    """Return the table's values, and the environment's where it has none."""
    unknown = [key for key in table if key not in AccountSettings.model_fields or key in _NO_VARIABLES]
    table = {key: value for key, value in table.items() if value != "" and key not in unknown}
    others = {"account"}.union(*(ways for ways in (_WAYS_IN, _HASH_KEYS) if table.keys() & ways))
    inherited = {key: value for key, value in variables.items() if key not in others}

    def name_of(key: str) -> str:
        place = f"{file} [accounts.{name}] {_key(key)}"
        return place if key in table or key in {"account", "name"} else f"{_variable(key)} ({place})"

    return _Given({**inherited, **table, "name": name}, name_of, [f"{file} [accounts.{name}] {key}" for key in unknown])


def _tables(file: str) -> dict[str, dict[str, Any]]:
    try:
        with Path(file).expanduser().open("rb") as opened:
            document = tomllib.load(opened)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"TALKDESK_ETL_CONFIG: {file} cannot be read: {reason}") from None
    except ValueError as error:
        # What the parser says of it may hold a piece of a secret; what it says in the end is the place.
        place = _PLACE.search(str(error))
        raise UsageError(f"{file} is no TOML{place[0] if place else ', or no UTF-8'}") from None
    if unknown := sorted(document.keys() - {"accounts"}):
        raise UsageError(f"{file}: no such setting: {', '.join(unknown)}")
    tables = document.get("accounts")
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()) or not tables:
        raise UsageError(f"{file}: accounts: there should be an [accounts.NAME] table for each")
    return tables


def _variables(settings: type[Settings]) -> dict[str, str]:
    """Read these settings from `.env` and the environment; the latter wins, and what is empty says nothing.

    Only an empty `DATABASE_URL` does: whoever wrote it meant some warehouse, and no other must be taken for it.
    """
    dotenv = _dotenv()
    warn_of_unknown()
    if isinstance(dotenv, UsageError):
        raise dotenv
    given = {
        name: value for said in (dotenv, os.environ) for name, value in said.items() if value or name == "DATABASE_URL"
    }
    variables = settings.variables()
    return {variables[name]: value for name, value in given.items() if name in variables}


@cache
def _dotenv() -> dict[str, str] | UsageError:
    """Return what `.env` says, or what is wrong with it; it is read once in a process, for it may be a pipe."""
    try:
        return read_dotenv(DOTENV)
    except UsageError as error:
        return error


@cache
def warn_of_unknown() -> None:
    """Say, once in a process, which names look like settings and are none, each with the setting nearest to it."""
    dotenv = _dotenv()
    for place, said in (("", os.environ), (f"{DOTENV}: ", {} if isinstance(dotenv, UsageError) else dotenv)):
        for name in sorted(said):
            if name.upper().startswith("TALKDESK_") and name not in _known():
                log.warning("%s%s is no setting: the nearest is %s", place, name, _nearest(name))


def _nearest(name: str) -> str:
    """Return the variable most like it; what all have in common says nothing."""
    bare = {variable.removeprefix("TALKDESK_"): variable for variable in sorted(_known())}
    return bare[get_close_matches(name.upper().removeprefix("TALKDESK_"), bare, n=1, cutoff=0)[0]]


@cache
def _known() -> frozenset[str]:
    """Return the variables that mean something."""
    variables = {
        name: key
        for settings in (WarehouseSettings, AccountSettings, MonitorSettings, ConfigFile)
        for name, key in settings.variables().items()
    }
    return frozenset(variable for variable, key in variables.items() if key not in _NO_VARIABLES)


def _built(settings: type[S], given: _Given) -> S:
    problems = [f"{key}: no such setting" for key in given.unknown]
    try:
        built = settings(**given.values)
    except ValidationError as error:
        for each in error.errors():
            key = str(each["loc"][0])
            field = settings.model_fields.get(key)  # a value that was not given is known by its field's own name
            problems.append(f"{given.name_of(str((field and field.validation_alias) or key))}: {_message(each)}")
    else:
        if not problems:
            if log.isEnabledFor(logging.DEBUG):
                log.debug("settings: %s", " ".join(_in_force(built)))
            return built
    raise UsageError("; ".join(dict.fromkeys(problems)))


def _in_force(settings: Settings) -> Iterator[str]:
    """Yield each setting that has a value, by its variable; of a secret only that there is one."""
    for variable, key in settings.variables().items():
        name = next(
            name for name, field in type(settings).model_fields.items() if key in {name, field.validation_alias}
        )
        value = getattr(settings, name)
        if value not in {None, ()} and key not in _NO_VARIABLES:
            yield f"{variable}={'(set)' if isinstance(value, SecretStr) else _plainly(value)}"


def _plainly(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _message(problem: Mapping[str, Any]) -> str:
    if problem["type"] == "missing":
        return "is required"
    return str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ")


def _key(field: str) -> str:
    return {"name": "account", "private_key": "private_key_file"}.get(field, field)


def _variable(field: str) -> str:
    if field == "home":
        return "TALKDESK_ETL_HOME"
    return field if field.isupper() else f"TALKDESK_{_key(field).upper()}"
