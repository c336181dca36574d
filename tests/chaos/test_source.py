"""Whatever the source or the network do: the run ends in time and says so, nothing is lost, the next one is level."""

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from etl.errors import DONE, PARTLY_DONE, SourceMalformed, SourceRefused, SourceUnavailable
from etl.extract import auth, retrying
from etl.sandbox import Sandbox, World, running
from etl.sandbox.faults import answers as faulty
from etl.sandbox.faults import rules
from etl.sandbox.faults.stream import Fault
from etl.sync.outcome import ResourceOutcome, SyncOutcome
from etl.sync.run import Options
from tests.chaos.trial import IMPATIENT, Trial, assert_succeeded, changes, messages

UNAVAILABLE, REFUSED, MALFORMED = SourceUnavailable.exit_code, SourceRefused.exit_code, SourceMalformed.exit_code
DAY = timedelta(days=1)

GATEWAY = [f"{status}={kind}" for status in (500, 502, 503, 504) for kind in ("html", "empty")]
NO_ANSWER = ["reset", "hang", "cut", "cut-stream", "drip=0.1"]
NO_JSON = ["login-page", "broken-json", "nan", "nested", "invalid-utf8"]

HICCUPS = [*GATEWAY, *NO_ANSWER[:4], *NO_JSON, "429", "429=0", "429=1", "429-date=1"]
OUTAGES = {
    **{fault: (UNAVAILABLE, fault.partition("=")[0]) for fault in GATEWAY},
    "reset": (UNAVAILABLE, "reset"),
    "hang": (UNAVAILABLE, "timed out"),
    "drip=0.1": (UNAVAILABLE, "timed out"),
    "cut": (UNAVAILABLE, "cut short"),
    "cut-stream": (UNAVAILABLE, "cut short"),
    "429": (UNAVAILABLE, "429"),
    "429=1": (UNAVAILABLE, "429"),
    "429=3600": (UNAVAILABLE, "asks to wait 3600 s"),
    "429-date=3600": (UNAVAILABLE, "asks to wait 3"),
    "login-page": (MALFORMED, "text/html"),
    "broken-json": (MALFORMED, "no JSON"),
    "nan": (MALFORMED, "NaN"),
    "nested": (MALFORMED, "nested too deeply"),
    "invalid-utf8": (MALFORMED, "not UTF-8"),
    "400": (REFUSED, "400 invalid_parameter"),
    "401": (REFUSED, "401 unauthorized"),
    "403": (REFUSED, "403 forbidden"),
    "404": (REFUSED, "404 not_found"),
    "406": (REFUSED, "406 not_acceptable"),
    "redirect=http://localhost:9": (REFUSED, "leads away from the API"),
}
RESOURCES = {"imports": rules.IMPORTS, "import_records": rules.RECORDS, "case_fields": rules.FIELDS}
AFFECTED = {
    "imports": {"imports", "import_records"},
    "import_records": {"import_records"},
    "case_fields": {"case_fields", "case_field_entries"},
}


def life_goes_on(world: World) -> None:
    """A bit of everything: an import is new, one goes, one moves on; a field and entries are renamed and removed."""
    world.add_import(status="COMPLETED_WITH_ERRORS", records=7)
    queued = next(each.id for each in world.imports() if each.item["status"] == "QUEUED")
    world.finish_import(queued)
    world.forget(world.imports()[-1].id)
    world.rename_field("drop_down1", "Reason")
    world.rename_entry("dependent_field1", ("001", "001001"), "Notebook")
    world.remove_entry("dependent_field1", ("002",))
    world.remove_field("drop_down2")


@pytest.fixture
def loaded(trial: Trial) -> Trial:
    """A level account whose source has moved since."""
    trial.load()
    life_goes_on(trial.sandbox.world)
    return trial


def notes(outcome: SyncOutcome) -> dict[str, ResourceOutcome]:
    """What each resource came to."""
    return outcome.accounts[0].resources


def gone(trial: Trial) -> set[tuple[str, str]]:
    """What is marked as expired or removed."""
    marks = {"imports": "expired_at", "case_fields": "removed_at", "case_field_entries": "removed_at"}
    return {(table, str(row)) for table, mark in marks.items() for row in trial.rows(table) if row[mark] is not None}


# Faults that pass


@pytest.mark.parametrize("fault", HICCUPS)
def test_hiccups_are_survived(loaded: Trial, fault: str) -> None:
    """What goes wrong for a moment, anywhere, is tried again and leaves no trace but in the counts."""
    rule = loaded.sandbox.faults.use(f"{fault},every=4,times=3")
    outcome = loaded.sync(timeout=0.5)

    assert_succeeded(outcome)
    # One of the three may strike a 404, whose body nobody needs.
    assert (3, True) == (rule.struck, 2 <= sum(note.traffic.retries for note in notes(outcome).values()))
    loaded.assert_level()
    loaded.assert_recovers()


@pytest.mark.parametrize("fault", [*GATEWAY[:2], *NO_ANSWER[:4], "login-page", "429=1"])
def test_hiccups_of_the_token_address(loaded: Trial, fault: str) -> None:
    """A token request is as patient as any other."""
    loaded.sandbox.faults.use(f"{fault},times=2,path={rules.TOKEN}")

    assert_succeeded(loaded.sync(timeout=0.5))
    loaded.assert_level()


# Faults that stay


@pytest.mark.parametrize("fault", OUTAGES)
def test_outages(loaded: Trial, fault: str) -> None:
    """When nothing answers well the run gives up, says why, changes nothing, and the next one is level."""
    before = loaded.snapshot()
    code, words = OUTAGES[fault]
    loaded.sandbox.faults.use(fault)
    outcome = loaded.sync(**IMPATIENT)

    assert (code, "failed") == (outcome.exit_code, outcome.outcome)
    assert {"imports", "case_fields"} == {failure.resource for failure in outcome.failures}
    assert all(words in failure.message for failure in outcome.failures)
    assert before == loaded.snapshot()
    loaded.assert_recovers()


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize(
    "fault", ["503=html", "429=3600", "hang", "cut", "login-page", "nested", "403", "redirect=http://localhost:9"]
)
def test_one_resource_fails(loaded: Trial, fault: str, resource: str) -> None:
    """The others go on; what was there before is still there, and the run says what is missing."""
    before = loaded.snapshot()
    code, words = OUTAGES[fault]
    loaded.sandbox.faults.use(f"{fault},path={RESOURCES[resource]}")
    # Where all comes at once, only a machine that is busy elsewhere needs time.
    outcome = loaded.sync(**IMPATIENT | ({} if fault == "hang" else {"timeout": 5.0}))

    assert (PARTLY_DONE, "partial") == (outcome.exit_code, outcome.outcome)
    assert {(resource, code)} == {(failure.resource, failure.exit_code) for failure in outcome.failures}
    assert words in messages(outcome)
    assert AFFECTED[resource] == {each for each, note in notes(outcome).items() if not note.complete}
    after = loaded.snapshot()
    assert [before[table] for table in AFFECTED[resource]] == [after[table] for table in AFFECTED[resource]]
    loaded.assert_recovers()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize("what", ["api_url", "token_url"])
def test_refused_connection(loaded: Trial, what: str) -> None:
    """Nobody listens."""
    before = loaded.snapshot()
    address: dict[str, Any] = {what: f"http://127.0.0.1:{closed_port()}"}
    outcome = loaded.sync(Options(accept_source=True), **IMPATIENT, **address)

    assert UNAVAILABLE == outcome.exit_code
    assert "onnection refused" in messages(outcome)
    assert before == loaded.snapshot()
    loaded.assert_recovers()


def test_an_hour_is_not_waited_for(loaded: Trial) -> None:
    """A pause longer than the retries may take ends the run at once, with a line that names both."""
    rule = loaded.sandbox.faults.use(f"429=3600,path={rules.IMPORTS}")
    outcome = loaded.sync(retry_seconds=120)

    assert 1 == rule.struck
    assert outcome.seconds < 5
    assert "429; asks to wait 3600 s, TALKDESK_RETRY_SECONDS leaves 120 s" in messages(outcome)


# Answers that are odd, but right


@pytest.mark.parametrize(
    "fault",
    [
        "bom",
        "no-total",
        "number=1e400",
        "number=170141183460469231731687303715884105728",
        "number=-1",
        "wrong-total=-2",
        "links-to",
        "links-relative",
        "redirect-here",
        "slow=0.01",
        "drip=0.001",
    ],
)
def test_odd_answers(loaded: Trial, fault: str) -> None:
    """What is odd and still understood is no failure."""
    loaded.sandbox.faults.use(fault)
    outcome = loaded.sync()

    assert_succeeded(outcome)
    if not fault.startswith("number"):
        loaded.assert_level()
    loaded.assert_recovers()


@pytest.mark.parametrize("digits", ["1e400", "170141183460469231731687303715884105728"])
def test_numbers_that_fit_nowhere(trial: Trial, digits: str) -> None:
    """A number beyond its column is kept beside it, digit by digit."""
    trial.sandbox.faults.use(f"number={digits}")
    trial.sync()

    rows = [row for row in trial.rows("imports") if row["type"] != "EXPORT_USERS"]
    assert rows
    assert {(None, Decimal(digits))} == {(row["total_records"], row["extra"]["total_records"]) for row in rows}


# Tokens and scopes


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("times", ["every=3", "times=1,after=6"])
def test_token_dies_in_mid_run(loaded: Trial, times: str, concurrency: int) -> None:
    """It is renewed, and nobody notices, however often it dies and however many share it."""
    rule = loaded.sandbox.faults.use(f"token-dies,{times}")

    assert_succeeded(loaded.sync(concurrency=concurrency))
    assert rule.struck
    loaded.assert_level()


def test_dead_token_is_forbidden(loaded: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some old addresses say 403 of a token that has grown old."""
    monkeypatch.setattr(auth, "_OLD_SHARE", 0.0)
    loaded.sandbox.faults.use("token-dies,times=1,after=6")
    loaded.sandbox.faults.use("token-403")

    assert_succeeded(loaded.sync())
    loaded.assert_level()


def test_tokens_live_shortly(loaded: Trial) -> None:
    """A run that outlives its tokens many times is still a good run."""
    loaded.sandbox.tokens.life = 0.05
    loaded.sandbox.faults.use("slow=0.02")

    assert_succeeded(loaded.sync())
    assert 2 < sum(seen.target == "/oauth/token" for seen in loaded.sandbox.requests)
    loaded.assert_level()


def test_new_scope_does_not_act_yet(loaded: Trial) -> None:
    """What the client may do already is done without the scope."""
    loaded.sandbox.faults.use("new-scope")
    outcome = loaded.sync()

    assert PARTLY_DONE == outcome.exit_code
    assert {("case_fields", REFUSED)} == {(failure.resource, failure.exit_code) for failure in outcome.failures}
    assert "case-fields-public:read" in messages(outcome)
    loaded.assert_recovers()


@pytest.mark.parametrize(
    ("scope", "missing", "refused"),
    [
        ("bulk-imports:read", "case-fields-public:read", {"case_fields"}),
        ("case-fields-public:read", "bulk-imports:read", {"imports"}),
    ],
)
def test_one_scope_is_missing(loaded: Trial, scope: str, missing: str, refused: set[str]) -> None:
    """One resource is refused, and the message names the scope; the other goes on."""
    loaded.sandbox.faults.use(f"scope={scope}")
    outcome = loaded.sync()

    assert (PARTLY_DONE, "partial") == (outcome.exit_code, outcome.outcome)
    assert refused == {failure.resource for failure in outcome.failures}
    assert f": the client lacks the scope {missing}, or" in messages(outcome)
    loaded.assert_recovers()


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("401", REFUSED, "TALKDESK_CLIENT_ID or its secret is wrong"),
        ("403", REFUSED, "check TALKDESK_CLIENT_ID"),
        ("404", REFUSED, "TALKDESK_ACCOUNT"),
        ("503", UNAVAILABLE, "503"),
        ("429=3600", UNAVAILABLE, "asks to wait 3600 s"),
        ("hang", UNAVAILABLE, "timed out"),
        ("reset", UNAVAILABLE, "reset"),
        ("login-page", MALFORMED, "no token in it (text/html)"),
        ("null", MALFORMED, "no token in it"),
        ("nested", MALFORMED, "no token in it"),
        ("redirect=http://localhost:9", REFUSED, "credentials do not follow a redirect"),
    ],
)
def test_no_token(loaded: Trial, fault: str, code: int, words: str) -> None:
    """Without a token nothing is read and nothing is changed."""
    before = loaded.snapshot()
    loaded.sandbox.faults.use(f"{fault},path={rules.TOKEN}")
    outcome = loaded.sync(**IMPATIENT)

    assert (code, "failed") == (outcome.exit_code, outcome.outcome)
    assert words in messages(outcome)
    assert before == loaded.snapshot()
    loaded.assert_recovers()


# Links and redirects


@pytest.mark.parametrize("resource", ["imports", "import_records"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("next-self", "leads back to a page that was read before"),
        ("next-ring", "leads back to a page that was read before"),
        ("next-templated", "is a template"),
    ],
)
def test_next_leads_nowhere(loaded: Trial, fault: str, words: str, resource: str) -> None:
    """Paging ends with an error, what was read before is stored, and nothing is taken for gone."""
    before = gone(loaded)
    loaded.sandbox.faults.use(f"{fault},path={RESOURCES[resource]}")
    outcome = loaded.sync()

    assert PARTLY_DONE == outcome.exit_code
    assert {resource} == {failure.resource for failure in outcome.failures}
    assert words in messages(outcome)
    assert resource != "imports" or "imports" not in {table for table, _ in gone(loaded) - before}
    loaded.assert_recovers()


@pytest.fixture
def elsewhere() -> Iterator[Sandbox]:
    """A second host, which has answers of its own."""
    with running(imports=2, records=2) as sandbox:
        yield sandbox


@pytest.mark.parametrize("resource", [*RESOURCES, "token"])
@pytest.mark.parametrize("fault", ["links-to", "redirect"])
def test_nothing_goes_to_another_host(loaded: Trial, elsewhere: Sandbox, fault: str, resource: str) -> None:
    """Links are followed on the configured host, redirects to another one are refused: it gets no request at all."""
    path = {**RESOURCES, "token": rules.TOKEN}[resource]
    loaded.sandbox.faults.use(f"{fault}={elsewhere.origin},path={path}")
    outcome = loaded.sync(**IMPATIENT)

    assert (DONE if fault == "links-to" else REFUSED if resource == "token" else PARTLY_DONE) == outcome.exit_code
    assert 0 == sum(seen.had_token for seen in elsewhere.requests)
    assert [] == list(elsewhere.requests)
    loaded.assert_recovers()


def test_redirects_in_a_circle(loaded: Trial) -> None:
    """They end."""
    loaded.sandbox.faults.add(faulty.redirect(""), path=rules.FIELDS)
    outcome = loaded.sync()

    assert PARTLY_DONE == outcome.exit_code
    assert "more than 5 redirects" in messages(outcome)
    loaded.assert_recovers()


# The source moves while it is read


def test_import_vanishes_before_its_records_are_read(loaded: Trial) -> None:
    """That is normal: no failure, and the others are loaded."""
    newest = loaded.sandbox.world.imports()[0].id
    vanish = faulty.meanwhile(lambda world: world.forget(newest))
    loaded.sandbox.faults.add(vanish, path=rules.IMPORTS, after=2, times=1)

    assert_succeeded(loaded.sync())
    assert newest in {row["import_id"] for row in loaded.rows("imports")}
    assert newest not in {row["import_id"] for row in loaded.rows("import_records")}
    loaded.assert_recovers()


def test_import_vanishes_in_mid_records(loaded: Trial) -> None:
    """Half of its records were read: what is stored of it is none, it is said, and the rest is loaded."""
    newest = loaded.sandbox.world.imports()[0].id
    vanish = faulty.meanwhile(lambda world: world.forget(newest))
    loaded.sandbox.faults.add(vanish, path=f"{newest}/records", times=1)

    assert {newest} == {failure.import_id for failure in loaded.sync().failures}
    assert newest not in {row["import_id"] for row in loaded.rows("import_records")}
    loaded.assert_recovers()


@pytest.mark.parametrize("fault", ["appears,times=1", "appears", "vanishes,times=1", "vanishes,after=1,times=1"])
def test_pages_shift(loaded: Trial, fault: str) -> None:
    """What comes twice is stored once, what is skipped is not taken for gone."""
    before = {row["import_id"] for row in loaded.rows("imports") if row["expired_at"] is None}
    loaded.sandbox.faults.use(fault)
    outcome = loaded.sync()

    assert_succeeded(outcome)
    there = {each.id for each in loaded.sandbox.world.imports()}
    expired = {row["import_id"] for row in loaded.rows("imports") if row["expired_at"] is not None}
    assert before & there == {row["import_id"] for row in loaded.rows("imports")} & before - expired
    loaded.assert_recovers()


def test_skipped_import_is_asked_for(trial: Trial) -> None:
    """The listing never shows it, the source still has it: it does not expire, and its changes are stored."""
    trial.load()
    hidden = trial.sandbox.world.imports()[3].id
    with trial.sandbox.world.changing_import(hidden) as item:
        item["filename"] = "renamed.csv"
    trial.sandbox.faults.add(hide(hidden), path=rules.IMPORTS)

    assert_succeeded(trial.sync())
    trial.assert_level()


def hide(import_id: str) -> Fault:
    """The listing lacks an import, and does not say how long it is."""

    def change(body: dict[str, Any]) -> None:
        listed = body["_embedded"]["imports"]
        body["_embedded"]["imports"] = [item for item in listed if item["id"] != import_id]
        del body["total"]

    return faulty.edit_listing(change)


def test_records_change_while_they_are_read(loaded: Trial) -> None:
    """An import that was not at its end when it was listed is read again, until it is."""
    running_ = loaded.sandbox.world.add_import(status="IN_PROGRESS", records=9)

    def work(world: World) -> None:
        world.work_on_import(running_, lines=2)

    loaded.sandbox.faults.add(faulty.meanwhile(work), path=f"{running_}/records", after=1, times=1)
    loaded.sandbox.faults.add(
        faulty.meanwhile(lambda world: world.finish_import(running_)), path=f"{running_}/records", after=2, times=1
    )

    assert_succeeded(loaded.sync())
    assert [None] == [row["records_loaded_at"] for row in loaded.rows("imports") if row["import_id"] == running_]
    loaded.assert_recovers()


def test_import_ends_between_list_and_records(loaded: Trial) -> None:
    """It was listed as running, so its records do not count as final, whatever they say."""
    running_ = loaded.sandbox.world.add_import(status="IN_PROGRESS", records=4)
    loaded.sandbox.faults.add(
        faulty.meanwhile(lambda world: world.finish_import(running_)), path=rules.IMPORTS, times=1
    )

    assert_succeeded(loaded.sync())
    loaded.assert_recovers()


# One broken import


@pytest.mark.parametrize("fault", ["500", "login-page", "null", "403", "next-self", "wrong-total=1", "cut", "hang"])
def test_one_broken_import(trial: Trial, fault: str) -> None:
    """The others are loaded; it is reported, and read again by the next run."""
    broken = trial.sandbox.world.add_import(records=7)
    trial.sandbox.faults.use(f"{fault},path={broken}/records")
    outcome = trial.sync(**IMPATIENT)

    assert (PARTLY_DONE, "partial") == (outcome.exit_code, outcome.outcome)
    assert {("import_records", broken)} == {(failure.resource, failure.import_id) for failure in outcome.failures}
    pending = {row["import_id"] for row in trial.rows("imports") if row["records_loaded_at"] is None}
    assert pending == {broken} | unfinished(trial.sandbox.world)
    trial.assert_recovers()


def unfinished(world: World) -> set[str]:
    """The imports that are not at their end."""
    return {each.id for each in world.imports() if each.item["status"] in {"QUEUED", "IN_PROGRESS"}}


def test_outage_in_mid_run_is_short(loaded: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the source is known to be away, each further import is tried once, not for its whole time."""
    monkeypatch.setattr(retrying, "_back_off", lambda _: 0.2)
    for _ in range(30):
        loaded.sandbox.world.add_import(records=1)
    loaded.sandbox.faults.use(f"503,path={rules.RECORDS}")
    outcome = loaded.sync(timeout=1, retry_seconds=1, concurrency=2)

    assert PARTLY_DONE == outcome.exit_code
    assert 33 == len(outcome.failures)
    assert outcome.seconds < 5
    loaded.assert_recovers()


# Numbers that do not add up


@pytest.mark.parametrize("resource", ["imports", "import_records"])
def test_short_listing(loaded: Trial, resource: str) -> None:
    """It is read once more; if it stays short the run says by how much, and nothing is taken for gone."""
    before = gone(loaded)
    loaded.sandbox.faults.use(f"wrong-total=2,path={RESOURCES[resource]}")
    outcome = loaded.sync()

    assert (PARTLY_DONE, "partial") == (outcome.exit_code, outcome.outcome)
    assert {(resource, MALFORMED)} == {(failure.resource, failure.exit_code) for failure in outcome.failures}
    assert "items were read, twice, but the source says" in messages(outcome)
    assert not notes(outcome)[resource].complete
    assert resource != "imports" or "imports" not in {table for table, _ in gone(loaded) - before}
    loaded.assert_recovers()


def test_listing_that_was_short_once(loaded: Trial) -> None:
    """Read again it is whole, and nobody is bothered."""
    loaded.sandbox.faults.use(f"wrong-total=2,times=3,path={rules.IMPORTS}")
    loaded.sandbox.faults.use(f"wrong-total=2,times=1,path={rules.RECORDS}")

    assert_succeeded(loaded.sync(concurrency=1))
    loaded.assert_level()


def test_listing_that_counts_more_than_it_holds(loaded: Trial) -> None:
    """The length of a page, too, is something that the source says."""
    change = faulty.edit_listing(lambda body: body.pop("total") and body.update(count=100))
    loaded.sandbox.faults.add(change, path=rules.IMPORTS)
    outcome = loaded.sync()

    assert "imports: 7 items were read, twice, but the source says 100" in messages(outcome)
    loaded.assert_recovers()


def test_lost_pages_of_records(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    """Only the import says how many records there are: it is said, shows in a view, and is tried again."""
    long = trial.sandbox.world.add_import(records=9)
    trial.sandbox.faults.add(faulty.without("_links", "total", "count"), path=rules.RECORDS)
    outcome = trial.sync()

    assert DONE == outcome.exit_code
    assert f"import={long} 3 records were read, its total_records is 9" in caplog.text
    assert {long: 6} == {
        row["import_id"]: row["records_missing"] for row in trial.rows("import_history") if row["import_id"] == long
    }
    trial.assert_recovers()


def test_lost_pages_remove_no_records(trial: Trial) -> None:
    """What was there before stays; the count of a page is not the length of the list."""
    long = trial.sandbox.world.add_import(records=9)
    trial.load()
    trial.sandbox.faults.add(faulty.without("_links", "total"), path=rules.RECORDS)

    assert (0, 0, 0) == changes(trial.sync(Options(full=True)), "import_records")
    assert 9 == sum(row["import_id"] == long for row in trial.rows("import_records"))
    trial.assert_recovers()


# Answers with nothing in them


NOTHING = {
    "items without id": b'{"_embedded": {"imports": [{"filename": "x"}, {}, []]}}',
    "null": b"null",
    "no object": b'"a text"',
    "a number": b"0",
    "an empty object": b"{}",
    "an empty array": b"[]",
    "an empty body": b"",
    "an error": b'{"code": "0500", "message": "internal"}',
    "a wrapper of null": b'{"_embedded": null}',
    "a wrapper without an array": b'{"_embedded": {}, "_links": {}}',
    "a wrapper of an empty array": b'{"_embedded": {"items": []}, "count": 0, "total": 0}',
    "a wrapper of a text": b'{"_embedded": "none"}',
    "two arrays": b'{"_embedded": {"a": [1], "b": [2]}}',
    "items that are null": b"[null, null]",
    "links that are a text": b'{"_embedded": {"imports": []}, "_links": "none"}',
    "a next link that is a number": b'{"_embedded": {"imports": []}, "_links": {"next": {"href": 7}}}',
}
CASES = [
    *((body, Options()) for body in NOTHING),  # the first one is a list of records as good as any
    *((body, Options(full=True)) for body in ("an empty array", "an error", "null", "a wrapper of an empty array")),
]


@pytest.mark.parametrize(("body", "options"), CASES)
def test_empty_and_malformed_lists_of_imports(trial: Trial, body: str, options: Options) -> None:
    """Nothing expires, however old it is: what is missing is asked for by itself."""
    trial.load()
    before = trial.snapshot()
    trial.sandbox.faults.add(faulty.answer(NOTHING[body]), path=rules.IMPORTS)
    outcome = trial.sync(options, retention_days=1, **IMPATIENT)

    assert outcome.exit_code in {DONE, PARTLY_DONE}
    if options.full:
        assert {(0, 0, 0)} == {changes(outcome, resource) for resource in notes(outcome)}
    else:
        assert before == trial.snapshot()
    assert body not in {"null", "an empty object"} or not notes(outcome)["imports"].complete
    trial.assert_recovers()


@pytest.mark.parametrize("body", NOTHING)
def test_empty_and_malformed_case_fields(trial: Trial, body: str) -> None:
    """Nothing is removed, and the run is no good reading of the case fields."""
    trial.load()
    before = trial.snapshot()
    trial.sandbox.faults.add(faulty.answer(NOTHING[body]), path=rules.FIELDS)
    outcome = trial.sync(**IMPATIENT)

    assert outcome.exit_code in {DONE, PARTLY_DONE}
    assert before == trial.snapshot()
    assert not notes(outcome)["case_fields"].complete
    trial.assert_recovers()


@pytest.mark.parametrize(("body", "options"), CASES[1:])
def test_empty_and_malformed_records(trial: Trial, body: str, options: Options) -> None:
    """No record is taken away, and the next run reads them again."""
    trial.load()
    for each in trial.sandbox.world.imports():
        with trial.sandbox.world.changing_import(each.id) as item:
            item["filename"] = "another.csv"
    before = trial.snapshot()["import_records"]
    trial.sandbox.faults.add(faulty.answer(NOTHING[body]), path=rules.RECORDS)
    outcome = trial.sync(options, **IMPATIENT)

    assert outcome.exit_code in {DONE, PARTLY_DONE}
    assert not before or outcome.exit_code == PARTLY_DONE or "an empty" in body or "a wrapper" in body
    assert before == trial.snapshot()["import_records"]
    trial.assert_recovers()


def test_real_expiry(trial: Trial) -> None:
    """Against all this caution: what is gone from a good list expires, old or asked for; what is listed does not."""
    trial.load()
    world = trial.sandbox.world
    old, young = world.imports()[-1].id, world.imports()[2].id
    world.forget(old)
    world.forget(young)
    trial.sandbox.requests.clear()
    outcome = trial.sync(retention_days=10)

    assert_succeeded(outcome)
    assert (0, 0, 2) == changes(outcome, "imports")
    asked = [seen.target for seen in trial.sandbox.requests if re.search(rules.IMPORT, seen.target)]
    assert [f"/bulk-imports/users/{young}"] == asked
    trial.assert_level()
