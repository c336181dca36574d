"""How the API is reached: certificates and proxy, as the environment says when a session is made."""

import os
import re
import ssl
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from requests import Session
from requests.utils import select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from etl.errors import UsageError

PROXY = "HTTPS_PROXY or ALL_PROXY"

_SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def apply_environment(session: Session, *urls: str) -> None:
    """Route the session to these addresses as the environment says; it looks at it no more.

    Raises UsageError, by the variable's name, where that cannot work.
    """
    for url in urls:
        found = session.merge_environment_settings(url, {}, None, None, None)
        session.verify = True if found["verify"] is None else found["verify"]
        proxy = select_proxy(url, found["proxies"])
        # Plain http is for loopback only, and what goes to a proxy in the clear is no longer on this machine.
        if proxy and url.startswith("https:"):
            session.proxies[f"https://{urlsplit(url).hostname}"] = _usable(proxy)
    session.trust_env = False
    if isinstance(session.verify, str):
        _require_certificates(session.verify)


def _usable(proxy: str) -> str:
    """Return the proxy's address, http if it says nothing else."""
    address = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = parse_url(address)
    except LocationParseError:
        # Not chained: the message holds the address, and that may hold a password.
        raise UsageError(f"{PROXY} is no address of a proxy") from None
    # An @ behind the host is part of a password that is not percent-encoded, and the host is none.
    if parts.scheme not in _SCHEMES or not parts.host or "@" in f"{parts.request_uri}{parts.fragment}":
        raise UsageError(f"{PROXY} is no address of a proxy: it has to be http://, https:// or socks5h://HOST:PORT")
    if parts.scheme.startswith("socks") and find_spec("socks") is None:
        raise UsageError(f"{PROXY} names a SOCKS proxy, and PySocks is not installed: pip install PySocks")
    return address


def _require_certificates(bundle: str) -> None:
    name = "REQUESTS_CA_BUNDLE" if os.environ.get("REQUESTS_CA_BUNDLE") else "CURL_CA_BUNDLE"
    path = Path(bundle)
    try:
        if not path.exists():
            raise UsageError(f"{name}: {bundle} does not exist")
        if path.is_dir():
            # OpenSSL looks for certificates by these names and for no other file.
            if not any(_HASHED_NAME.fullmatch(file.name) for file in path.iterdir()):
                raise UsageError(f"{name}: the folder {bundle} holds no certificates by their hashes (openssl rehash)")
            return
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except ssl.SSLError:
        raise UsageError(f"{name}: {bundle} holds no certificates in PEM form") from None
    except OSError as error:
        raise UsageError(f"{name}: {bundle} cannot be read ({error.strerror})") from None
