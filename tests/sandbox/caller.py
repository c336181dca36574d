"""Somebody who holds a token and asks a sandbox."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import requests

from etl.sandbox import Sandbox

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TIMEOUT = 5


class Caller:
    """Asks one sandbox over HTTP with a token of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.log_in()

    def log_in(self) -> None:
        """The session carries a new token."""
        body = self.token({"grant_type": "client_credentials"}).json()
        self.session.headers["Authorization"] = f"Bearer {body['access_token']}"

    def token(self, form: dict[str, str], auth: tuple[str, str] | None = ("sandbox", "sandbox")) -> requests.Response:
        """The answer to a token request."""
        return requests.post(self.sandbox.token_url, data=form, auth=auth, timeout=TIMEOUT, allow_redirects=False)

    def get(self, path: str, **options: Any) -> requests.Response:
        """The answer to a request for that path or address."""
        address = path if path.startswith("http") else self.sandbox.url + path
        return self.session.get(address, **{"timeout": TIMEOUT, "allow_redirects": False} | options)

    def pages(self, path: str) -> Iterator[Any]:
        """Every page from there on, by its next links."""
        address: str | None = path
        while address is not None:
            body = self.get(address).json()
            yield body
            address = body["_links"].get("next", {}).get("href")
