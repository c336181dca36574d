"""Which requests a fault strikes."""

import re
from dataclasses import dataclass
from typing import TypedDict

from etl.sandbox.faults.stream import Fault

# Patterns for `path`, searched in path and query as they were sent.
TOKEN = r"^/oauth/token"  # noqa: S105 - an address, no secret
API = r"^(?!/oauth/)"
IMPORTS = r"/bulk-imports/users(\?|$)"
IMPORT = r"/bulk-imports/users/[^/?]+(\?|$)"
RECORDS = r"/bulk-imports/users/[^/?]+/records(\?|$)"
ERRORS = r"/bulk-imports/users/[^/?]+/errors(\?|$)"
FIELDS = r"/cm/meta/va/fields(\?|$)"


class When(TypedDict, total=False):
    """Of the requests that match `path` not the first `after`, then each `every`-th, `times` times in all."""

    path: str
    times: int | None
    after: int
    every: int


@dataclass(kw_only=True)
class Rule:
    """A fault, the requests that it strikes, and how many it has seen and struck so far."""

    fault: Fault
    path: str = API
    times: int | None = None
    after: int = 0
    every: int = 1
    seen: int = 0
    struck: int = 0

    def strikes(self, target: str) -> bool:
        """Whether the fault strikes this request, which is counted."""
        if self.struck == self.times or not re.search(self.path, target):
            return False
        self.seen += 1
        due = self.seen > self.after and (self.seen - self.after) % self.every == 0
        self.struck += due
        return due
