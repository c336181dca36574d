"""Links of the source, always taken to the configured origin, byte for byte as they came."""

import re
from urllib.parse import quote, urljoin, urlsplit

from etl.errors import SourceMalformed

_SPACE = "".join(map(chr, range(0x21)))

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))

_PLAIN = re.compile(r"[!\"$-~]*")  # printable ASCII without the fragment's sign


def rooted(href: str, *, current: str, base: str) -> str:
    """Return the absolute address of a link that stood in `current`, always on the origin and under the path of `base`.

    Path and query stay as they are but for spaces, control and non-ASCII characters, which are quoted.
    """
    if href.startswith(f"{base}/") and _PLAIN.fullmatch(href):
        return href  # as nearly every link is; taking it apart would add a seventh to the cost of a page
    link = quote(href.strip(_SPACE), safe=_PRINTABLE, errors="surrogatepass")
    try:
        parts = urlsplit(link)
        if not parts.scheme and not parts.netloc and not parts.path.startswith("/"):
            parts = urlsplit(urljoin(current, link))
    except ValueError:
        raise SourceMalformed("a link is no address") from None
    is_absolute = parts.netloc or parts.path.startswith("/")
    if parts.scheme not in {"", "http", "https"} or not is_absolute:
        raise SourceMalformed("a link is no http address")
    root = urlsplit(base)
    path = parts.path or "/"
    prefix = "" if path == root.path or path.startswith(f"{root.path}/") else root.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{root.scheme}://{root.netloc}{prefix}{path}{query}"
