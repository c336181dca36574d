"""The settings of an account and of the warehouse: frozen, and complete or refused."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from etl.config.fields import (
    PARTS,
    Count,
    Duration,
    FileContent,
    Label,
    Number,
    Parts,
    Secret,
    Users,
    Visible,
    comma_list,
    in_any_case,
    one_of,
    parts_of,
    postgres_url,
    required_address,
    visible_secret,
)
from etl.errors import UsageError

# API host, identity host: docs.talkdesk.com/docs/how-to-guarantee-your-app-works-in-all-regions
_HOSTS = {
    "us": ("api.talkdeskapp.com", "talkdeskid.com"),
    "eu": ("api.talkdeskapp.eu", "talkdeskid.eu"),
    "ca": ("api.talkdeskappca.com", "talkdeskidca.com"),
}


class Settings(BaseModel):
    """Values as given; a field's variable is its alias, or its name behind the prefix."""

    prefix: ClassVar[str]
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=True,
    )

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Return the key of each setting by the name of its variable."""
        named = ((name, field.validation_alias) for name, field in cls.model_fields.items())
        return {str(alias or f"{cls.prefix}{name.upper()}"): str(alias or name) for name, alias in named}


class Configured(Settings):
    """What a monitor needs to know of an account, whether or not the rest of its settings is complete."""

    prefix = "TALKDESK_"
    model_config = ConfigDict(extra="ignore")

    name: str
    resources: Parts = PARTS
    users: Users = "off"

    @property
    def parts(self) -> tuple[str, ...]:
        """What is read of the account."""
        return parts_of(self.resources, self.users)


class AccountSettings(Settings):
    """How one account is read: `account` is the host part, `name` what the warehouse calls it."""

    prefix = "TALKDESK_"

    account: Label = Field(description="account name, the host part of the identity URL")
    name: Label
    region: Literal["us", "eu", "ca"] = Field(default="us", description="us, eu or ca")
    api_url: str = Field(default="", description="overrides what account and region give; may carry a path prefix")
    token_url: str = Field(default="", description="overrides what account and region give")
    client_id: Visible = Field(description="OAuth client")
    client_secret_file: FileContent = Field(default=None, description="file that holds the client's secret")
    private_key_file: FileContent = Field(
        default=None, description="key of a signed assertion in place of a secret: PEM, or bare Base64 as handed out"
    )
    private_key: SecretStr | None = None
    client_secret: Secret | None = Field(
        default=None, description="secret of the client; it, its file or a key is required"
    )
    key_id: Visible | None = Field(default=None, description="id of that key")
    concurrency: Count = Field(default=8, ge=1, le=64, description="requests in flight per account")
    requests_per_second: Number | None = Field(default=None, ge=0.001, description="ceiling per account")
    timeout: Number = Field(default=30.0, gt=0, le=3600, description="seconds for connect and for each read")
    retry_seconds: Number = Field(
        default=120.0, ge=0, le=86_400, description="how long one request may be retried in all"
    )
    retention_days: Count = Field(default=20, ge=1, le=3650, description="days after which the source forgets")
    resources: Parts = Field(
        default=PARTS, description="what the account has at all: imports, case-fields or (as without it) both"
    )
    users: Users = Field(
        default="off",
        description="the account's users, for names: off (nothing is asked for), names (id, name and active alone) "
        "or keep; needs the scope users:read",
    )
    record_data: Literal["keep", "drop"] = Field(default="keep", description="keep or drop the cells of records")
    record_keep_days: Count | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="days after which records of an import lose their cells and error texts; without it they stay",
    )
    hash_columns: Annotated[tuple[str, ...], BeforeValidator(comma_list)] = Field(
        default=(),
        description="columns whose cells are hashed: names exactly as in the CSV's header, comma separated; "
        "* means all cells, *,!NAME all but these",
    )
    hash_key_file: FileContent = Field(default=None, description="file that holds that key")
    hash_key: SecretStr | None = Field(default=None, description="key of that hash; it or its file is required then")

    @model_validator(mode="before")
    @classmethod
    def _one_name_is_enough(cls, values: dict[str, Any]) -> dict[str, Any]:
        name = values.get("name", values.get("account"))
        return values if name is None else {"account": name, "name": name, **values}

    @field_validator("region", "record_data", mode="before")
    @classmethod
    def _in_any_case(cls, word: object) -> object:
        return in_any_case(word)

    @field_validator("api_url", "token_url")
    @classmethod
    def _address(cls, url: str, info: ValidationInfo) -> str:
        api_host, identity_host = _HOSTS[info.data.get("region", "us")]
        if info.field_name == "api_url":
            return required_address(url).rstrip("/") if url else f"https://{api_host}"
        return required_address(url) if url else f"https://{info.data.get('account', '')}.{identity_host}/oauth/token"

    @property
    def parts(self) -> tuple[str, ...]:
        """What is read of the account."""
        return parts_of(self.resources, self.users)

    @property
    def token_url_names_account(self) -> bool:
        """True at Talkdesk's own address, of which the account is a part: it lets in no client of another account."""
        hosts = {f"{self.account}.{identity_host}" for _, identity_host in _HOSTS.values()}
        return urlsplit(self.token_url).hostname in hosts

    @field_validator("private_key")
    @classmethod
    def _usable_key(cls, given: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        key = given or info.data.get("private_key_file")
        return _pem(key) if key else None

    @field_validator("client_secret")
    @classmethod
    def _one_way_in(cls, given: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if not {"client_secret_file", "private_key_file", "private_key"} <= info.data.keys():
            return given
        stored, key = info.data["client_secret_file"], info.data["private_key"]
        secret = one_of(given, stored, "TALKDESK_CLIENT_SECRET_FILE")
        if secret and key:
            raise ValueError("a secret and TALKDESK_PRIVATE_KEY_FILE are both set: there is one way to sign in")
        if not (secret or key):
            raise ValueError(
                "is required, or TALKDESK_CLIENT_SECRET_FILE, or TALKDESK_PRIVATE_KEY_FILE with TALKDESK_KEY_ID"
            )
        return given or (visible_secret(stored) if stored else None)

    @field_validator("key_id")
    @classmethod
    def _id_of_the_key(cls, key_id: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("private_key") and not key_id:
            raise ValueError("is required with TALKDESK_PRIVATE_KEY_FILE")
        return key_id

    @field_validator("hash_columns")
    @classmethod
    def _all_but_these(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "*" not in names and any(name.startswith("!") for name in names):
            raise ValueError("!NAME goes with *, as in *,!NAME")
        return names

    @field_validator("hash_key")
    @classmethod
    def _key_to_hash_with(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "hash_key_file" not in info.data:
            return key  # what is wrong with the file has been said
        key = one_of(key, info.data["hash_key_file"], "TALKDESK_HASH_KEY_FILE")
        if info.data.get("hash_columns") and not (key and key.get_secret_value()):
            raise ValueError("is required with TALKDESK_HASH_COLUMNS, or TALKDESK_HASH_KEY_FILE")
        return key


class WarehouseSettings(Settings):
    """Where the warehouse is and what it keeps; without a `database_url` it is the embedded one under `home`."""

    prefix = "TALKDESK_ETL_"
    model_config = ConfigDict(extra="ignore")

    database_url_file: FileContent = Field(
        default=None, validation_alias="DATABASE_URL_FILE", description="file that holds DATABASE_URL"
    )
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="warehouse, postgresql://…; what it leaves out comes from libpq's own variables and files "
        "(PGPASSWORD, .pgpass, PGSSLMODE, …); without it an embedded one",
    )
    home: Path | None = Field(
        default=None,
        description="folder of the embedded database; without it the user's data folder",
    )
    rejected_keep_days: Count = Field(
        default=90,
        ge=1,
        le=36_500,
        validation_alias="TALKDESK_REJECTED_KEEP_DAYS",
        description="days to keep rejected items",
    )
    runs_keep_days: Count = Field(
        default=400,
        ge=1,
        le=36_500,
        validation_alias="TALKDESK_RUNS_KEEP_DAYS",
        description="days to keep runs in the ledger; what coverage_gaps and sync_health need of older ones stays",
    )

    jobs: Count = Field(default=1, ge=1, le=64, validation_alias="TALKDESK_JOBS", description="accounts side by side")
    account_limit: Duration = Field(
        default=timedelta(minutes=15),
        ge=timedelta(seconds=1),
        validation_alias="TALKDESK_ACCOUNT_LIMIT",
        description="how long one account's run may take; the next goes on from there",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", validation_alias="TALKDESK_LOG_FORMAT", description="text or json: form of the lines on stderr"
    )

    @field_validator("log_format", mode="before")
    @classmethod
    def _in_any_case(cls, word: object) -> object:
        return in_any_case(word)

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "database_url_file" not in info.data:
            return url  # what is wrong with the file has been said
        given = one_of(url, info.data["database_url_file"], "DATABASE_URL_FILE")
        return None if given is None else postgres_url(given)

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path | None, info: ValidationInfo) -> Path | None:
        """None if the user has no home folder (a container's user id without a name), and needs none."""
        try:
            return (home or user_data_path("talkdesk-etl")).expanduser().absolute()
        except RuntimeError as error:
            if info.data.get("database_url", True):  # or that is wrong, which is said by itself
                return None
            what = f"{error}: write the whole path" if home else "is required where the user has no home folder"
            raise ValueError(f"{what}; or set DATABASE_URL") from None

    @property
    def embedded_home(self) -> Path:
        """The folder of the embedded database."""
        if self.home is None:
            raise UsageError("TALKDESK_ETL_HOME: is required where the user has no home folder")
        return self.home


class MonitorSettings(Settings):
    """The cron monitor that is told of each sync."""

    prefix = "TALKDESK_"
    model_config = ConfigDict(extra="ignore")

    ping_url_file: FileContent = Field(default=None, description="file that holds TALKDESK_PING_URL")
    ping_url: SecretStr | None = Field(
        default=None,
        description="address of a cron monitor (healthchecks.io), told when a sync begins and ends; a secret",
    )

    @field_validator("ping_url")
    @classmethod
    def _address(cls, given: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "ping_url_file" not in info.data:
            return given  # what is wrong with the file has been said
        url = one_of(given, info.data["ping_url_file"], "TALKDESK_PING_URL_FILE")
        return None if url is None else SecretStr(required_address(url.get_secret_value()).rstrip("/"))


def _pem(key: SecretStr) -> SecretStr:
    # Imported here: cryptography takes its time to load, and most accounts have a secret.
    from etl.config.keys import pem_of  # noqa: PLC0415

    return SecretStr(pem_of(key.get_secret_value()))
