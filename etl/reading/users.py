"""Reading the account's users: rows ready to load."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from etl.extract import hal, paging
from etl.extract.endpoints import USERS
from etl.extract.hal import Page
from etl.jsontext import json_bytes
from etl.reading.completeness import Reading, read_pages
from etl.reading.reader import Source
from etl.rows import Rejected
from etl.transform.columns import too_large
from etl.transform.users import Kept, user_row


@dataclass
class Users:
    """Users as rows ready to load, by id; of the same id the last one counts.

    `unreadable` are those whose row became too large: what is stored of them is not gone.
    """

    kept: Kept
    reading: Reading = field(default_factory=Reading)
    rows: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def add(self, items: Iterable[object]) -> None:
        """Add the users of a page to the rows, or to the rejected."""
        for item in items:
            row = user_row(item, self.kept)
            if isinstance(row, Rejected):
                self.rejected[row.item] = row
                continue
            text = json_bytes(row._asdict())
            if problem := too_large("users", item if self.kept == "keep" else {"id": row.user_id}, text):
                self.rejected[problem.item] = problem
                self.unreadable.add(row.user_id)
            else:
                self.rows[row.user_id,] = text

    def is_empty_beside(self, missing: Collection[object]) -> bool:
        """Tell whether the answer holds no user although some should be there: on its strength none is removed."""
        return bool(missing) and not self.rows

    def may_have_skipped(self, missing: Collection[object]) -> bool:
        """Tell whether pages that shifted while they were read may have hidden one of the missing."""
        return bool(missing) and self.reading.is_whole and self.reading.pages > 1


def read_users(source: Source) -> Users:
    """Read all users, as far as they go."""
    users = Users(source.users)
    read_again(source, users)
    return users


def read_again(source: Source, users: Users) -> None:
    """Read all users once more, beside those that were read before."""

    def add(page: Page) -> None:
        users.add(hal.read_items(page.body, prefer=USERS.wrappers))

    users.reading = read_pages(lambda: paging.user_pages(source.client), add, source.stop)
