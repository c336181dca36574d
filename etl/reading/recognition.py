"""Recognising the account in what its source lists; the one rule, for sync and verify."""

from datetime import timedelta

from etl.errors import SourceChanged
from etl.reading.listing import Listing
from etl.warehouse.binding import ACCEPT


def is_recognised(*, is_known: bool | None, needs_proof: bool) -> bool:
    """Tell whether a young import that is known is listed, or if there is none and nothing has to be proven."""
    return not needs_proof if is_known is None else is_known


def refuse_unrecognised(account: str, listing: Listing, *, needs_proof: bool, retention: timedelta, full: bool) -> None:
    """Raise if the listing, which was not recognised, shows that it is another account's.

    One that was not read to its end shows nothing, nor does a blank one unless `full` believes it; but then it is no
    proof either.
    """
    if needs_proof:
        listing.reading.require_whole("imports")
        raise SourceChanged(not_proven(account))
    if listing.reading.is_whole and (listing.reading.says_something or full):
        raise SourceChanged(
            f"of the imports of account {account} that are known and younger than {retention.days} days the source "
            f"lists none, as if it were another account's: {ACCEPT}; else correct the settings"
        )


def not_proven(account: str) -> str:
    """Return what is said of a client that may be another account's."""
    return (
        f"account {account} is to be read by another client (TALKDESK_CLIENT_ID), and no import that is known shows "
        f"that it is the same account's: {ACCEPT}; else correct the settings"
    )
