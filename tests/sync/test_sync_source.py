"""An account's name is bound to its source: another one is refused before anything is stored of it."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.verify import verify_accounts
from tests import account
from tests.account import Account, sync
from tests.expected import require_level

BOUND = "SELECT api_url FROM talkdesk.accounts"


@pytest.fixture
def elsewhere(synced: Account) -> Iterator[Account]:
    """The same name and warehouse at another account's source."""
    with account.running(synced.url, seed=7) as other:
        yield other


def data(acme: Account) -> dict[str, list[Any]]:
    """Every row but the ledger's."""
    return {name: rows for name, rows in acme.everything().items() if not name.startswith("sync_run")}


@pytest.mark.parametrize(
    "options", [{}, {"full": True}, {"only": "case-fields"}, {"from_": "2020-01-01"}, {"dry_run": True}]
)
def test_another_address(synced: Account, elsewhere: Account, options: dict[str, Any]) -> None:
    """Nothing is read, stored or expired; both addresses and the way out are said; what is bound goes on."""
    before = data(synced)
    outcome = elsewhere.sync(**options)

    (failure,) = outcome.failures
    assert (8, 8, None, "failed") == (outcome.exit_code, failure.exit_code, failure.resource, outcome.outcome)
    assert f"{elsewhere.sandbox.url} instead of {synced.sandbox.url}" in failure.message
    assert "--accept-source" in failure.message
    assert not elsewhere.sandbox.requests
    assert before == data(synced)
    assert 0 == synced.sync().exit_code


def test_another_source_is_accepted_once(synced: Account, elsewhere: Account) -> None:
    """From then on it is the account's, and the first one is another."""
    assert 0 == elsewhere.sync(accept_source=True).exit_code
    require_level(elsewhere)
    assert [elsewhere.sandbox.url] == elsewhere.column(BOUND)
    assert 0 == elsewhere.sync().exit_code
    assert 8 == synced.sync().exit_code


def test_a_dry_run_binds_nothing(acme: Account) -> None:
    acme.sync(dry_run=True)

    assert [] == acme.column(BOUND)


def test_a_source_that_was_never_read_binds_nothing(acme: Account) -> None:
    """Whoever mistyped the region at first has nothing to accept."""
    acme.sandbox.faults.use("401,path=/oauth")
    acme.sync()

    assert [] == acme.column(BOUND)


def test_a_warehouse_of_before_is_bound_by_the_next_sync(synced: Account) -> None:
    """As is, without a word; then it is as bound as any other."""
    synced.change("DELETE FROM talkdesk.accounts")

    assert 0 == synced.sync().exit_code
    assert [synced.sandbox.url] == synced.column(BOUND)


def test_the_same_address_in_another_spelling(synced: Account) -> None:
    synced.changes["api_url"] = synced.sandbox.url.replace("http://", "HTTP://") + "/"

    assert 0 == synced.sync().exit_code


def test_the_others_are_synced(synced: Account, elsewhere: Account) -> None:
    """One account that is stopped leaves the next one alone."""
    other = replace(elsewhere, name="zenith")
    outcome = sync(elsewhere, other)

    assert (8, ["failed", "succeeded"]) == (outcome.exit_code, [each.outcome for each in outcome.accounts])
    assert 12 == synced.value("SELECT count(*) FROM talkdesk.imports WHERE account = 'zenith'")


def test_verify_compares_nothing_with_another_source(synced: Account, elsewhere: Account) -> None:
    """Everything there would be different."""
    assert (8, []) == verified(elsewhere)
    replace_imports(synced, "new")
    assert (8, []) == verified(synced)


def verified(acme: Account) -> tuple[int, list[Any]]:
    """How a verification ended, and the differences that it found."""
    found = verify_accounts(acme.url, [acme.settings], deep=True, stop=threading.Event())
    assert "--accept-source" in found.failures[0].message
    return found.exit_code, found.differences


# What is listed


def replace_imports(acme: Account, *ids: str) -> None:
    """Afterwards the source lists these alone."""
    for one in acme.world.imports():
        acme.world.forget(one.id)
    for name in ids:
        acme.world.add_import(id=name, records=2)


@pytest.mark.parametrize("ids", [(), ("new", "newer")])
@pytest.mark.parametrize(
    "options", [{}, {"full": True}, {"only": "imports"}, {"from_": "2020-01-01"}, {"dry_run": True}]
)
def test_a_listing_without_any_known_import(synced: Account, ids: tuple[str, ...], options: dict[str, Any]) -> None:
    """At the same address: nothing is stored or expired, and case fields are not read any more."""
    replace_imports(synced, *ids)
    before = data(synced)
    outcome = synced.sync(**options)

    (failure,) = outcome.failures
    assert (8, 8) == (outcome.exit_code, failure.exit_code)
    assert "younger than 20 days the source lists none" in failure.message
    assert "--accept-source" in failure.message
    assert before == data(synced)

    assert 0 == synced.sync(accept_source=True).exit_code
    assert 12 == synced.value("SELECT count(*) FROM talkdesk.imports WHERE expired_at IS NOT NULL")
    assert 0 == synced.sync().exit_code


def test_one_known_import_is_enough(synced: Account) -> None:
    """However many others there are, also outside of a backfill's window."""
    for one in synced.world.imports()[1:]:
        synced.world.forget(one.id)
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=1))

    assert 0 == synced.sync(from_=tomorrow).exit_code
    assert 0 == synced.sync().exit_code
    assert 11 == synced.value("SELECT count(*) FROM talkdesk.imports WHERE expired_at IS NOT NULL")


def test_an_account_that_became_quiet(synced: Account) -> None:
    """All that it had is older than the source's memory: an empty list is what is to be expected."""
    synced.change("UPDATE talkdesk.imports SET created_at = created_at - interval '20 days'")
    replace_imports(synced)

    assert 0 == synced.sync().exit_code
    assert 12 == synced.value("SELECT count(*) FROM talkdesk.imports WHERE expired_at IS NOT NULL")
    replace_imports(synced, "new")
    assert 0 == synced.sync().exit_code


def test_a_long_listing_waits_until_it_is_recognised(synced: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is stored before its end."""
    monkeypatch.setattr("etl.reading.listing.ROWS_PER_PART", 2)
    monkeypatch.setattr("etl.sync.pipeline.ROWS_PER_PART", 2)
    known = synced.world.imports()[0]
    replace_imports(synced, *(f"new {number}" for number in range(11)))
    before = data(synced)
    assert 8 == synced.sync().exit_code
    assert before == data(synced)

    synced.world.put_import(known.item, known.records)
    assert 0 == synced.sync().exit_code
    assert 12 == synced.value("SELECT count(*) FROM talkdesk.imports WHERE expired_at IS NULL")


# The client


def as_client(acme: Account, name: str) -> None:
    """Afterwards another client is let in, and comes."""
    acme.sandbox.tokens.client = replace(acme.sandbox.tokens.client, client_id=name)
    acme.changes["client_id"] = name


def test_a_new_client_of_the_same_account(synced: Account) -> None:
    """It lists what is known, which is proof enough."""
    as_client(synced, "rotated")

    assert 0 == synced.sync().exit_code
    assert ["rotated"] == synced.column("SELECT client_id FROM talkdesk.accounts")


@pytest.mark.parametrize("options", [{}, {"only": "case-fields"}, {"only": "imports"}])
def test_a_client_of_another_account(synced: Account, options: dict[str, Any]) -> None:
    """Nothing that is known shows that it is the same: not even where all that is known is old."""
    synced.change("UPDATE talkdesk.imports SET created_at = created_at - interval '20 days'")
    replace_imports(synced, "new")
    as_client(synced, "another")
    before = data(synced)
    outcome = synced.sync(**options)

    assert 8 == outcome.exit_code
    assert "by another client (TALKDESK_CLIENT_ID)" in outcome.failures[0].message
    assert before == data(synced)
    assert 0 == synced.sync(accept_source=True, **options).exit_code
