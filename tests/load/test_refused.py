"""What the database refuses is found one by one and rejected with the reason; its neighbours never notice."""

from collections.abc import Callable

import pytest
from psycopg.errors import QueryCanceled, lookup
from sqlalchemy.exc import OperationalError

from etl.load import halving
from etl.sandbox.world.moves import BulkImport
from etl.sync.outcome import SyncOutcome
from etl.warehouse.sqlstates import is_lost, is_of_the_item
from tests.account import Account, changed
from tests.expected import require_level

TABLES = ("imports", "import_records", "import_record_errors", "case_fields", "case_field_entries")
REJECTED = "SELECT resource, import_id, item, reason FROM talkdesk.rejected_items"
HOUSE = """
    CREATE FUNCTION public.house() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF to_jsonb(NEW)::text LIKE '%poison%' THEN {act}; END IF; RETURN NEW; END $$
"""
RAISE = "RAISE EXCEPTION 'secret %', to_jsonb(NEW) USING ERRCODE = '{}'"
TRIGGER = "CREATE TRIGGER house BEFORE INSERT OR UPDATE ON talkdesk.{} FOR EACH ROW EXECUTE FUNCTION public.house()"
DEFERRED = """
    CREATE CONSTRAINT TRIGGER house AFTER INSERT OR UPDATE ON talkdesk.{}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.house()
"""
COUNTED = """
    SELECT i.import_id, i.records_loaded, count(r.record_key) AS number
    FROM talkdesk.imports AS i LEFT JOIN talkdesk.import_records AS r USING (account, import_id)
    GROUP BY i.account, i.import_id HAVING i.records_loaded <> count(r.record_key)
"""


def lay_rules(acme: Account, act: str, trigger: str = TRIGGER) -> None:
    """From now on the database does so with every row that has poison in it."""
    acme.command(HOUSE.format(act=act))
    for table in TABLES:
        acme.command(trigger.format(table))


def poison_import(acme: Account, word: str) -> str:
    with acme.world.changing_import(acme.world.imports()[2].id) as item:
        item["filename"] = word
    return "imports"


def poison_record(acme: Account, word: str) -> str:
    return _poison_record(acme, status=word)


def poison_error(acme: Account, word: str) -> str:
    return _poison_record(acme, errors=[{"code": "1", "message": word, "description": ""}])


def _poison_record(acme: Account, **more: object) -> str:
    one = largest(acme)
    third = one.records[3]
    assert isinstance(third, dict)
    acme.world.replace_records(one.id, [*one.records[:3], {**third, **more}, *one.records[4:]])
    return "import_records"


def largest(acme: Account) -> BulkImport:
    """The import with the most records."""
    return max(acme.world.imports(), key=lambda one: len(one.records))


def served(acme: Account) -> int:
    """How many records the source has."""
    return sum(len(one.records) for one in acme.world.imports() if one.item["type"] != "EXPORT_USERS")


def poison_field(acme: Account, word: str) -> str:
    acme.world.rename_field(str(acme.world.case_fields()[1]["key"]), word)
    return "case_fields"


def poison_entry(acme: Account, word: str) -> str:
    field = next(field for field in acme.world.case_fields() if field.get("dict_list"))
    acme.world.rename_entry(str(field["key"]), [str(field["dict_list"][0]["key"])], word)
    return "case_field_entries"


def written(outcome: SyncOutcome) -> int:
    """How many rows a sync has written."""
    counts = [resource.counts for resource in outcome.accounts[0].resources.values()]
    return sum(each.inserted + each.updated + each.removed for each in counts)


Poison = Callable[[Account, str], str]
every_poison = pytest.mark.parametrize(
    "poison", [poison_import, poison_record, poison_error, poison_field, poison_entry]
)


@every_poison
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "later"])
def test_one_is_refused(acme: Account, poison: Poison, is_first: bool) -> None:  # noqa: FBT001 - a parameter
    """It alone is missing; standing, it writes nothing and cries no more; once it is taken, all is level."""
    if not is_first:
        acme.sync()
    lay_rules(acme, RAISE.format("P0001"))
    resource = poison(acme, "poison")
    outcome, again = acme.sync(full=True), acme.sync()

    assert (8, "partial", []) == (outcome.exit_code, outcome.outcome, outcome.failures)
    (kept,) = acme.rows(REJECTED)
    assert (resource, "a trigger or function refuses it (SQLSTATE P0001, RaiseException)") == (
        kept["resource"],
        kept["reason"],
    )
    assert "poison" in kept["item"]
    assert (0, 0) == (again.exit_code, written(again))
    assert [] == acme.rows(COUNTED)
    assert 1 == acme.value("SELECT count(*) FROM talkdesk.sync_runs WHERE outcome = 'partial'")

    acme.command("DROP FUNCTION public.house CASCADE")
    outcome = acme.sync(full=True)
    assert changed(outcome, resource) == ({"inserted": 1} if is_first else {"updated": 1})
    require_level(acme)


def test_whose_fault_it_is() -> None:
    """A constraint, a limit or a trigger speaks of a row; rights, room, locks and the server's own troubles do not."""
    of_items = "23514 23505 23503 22P05 22003 54000 XX000 53200 57014 38000 P0001 44000"
    of_others = "42501 42P01 53100 53300 25006 25P02 55P03 0A000 58030 XX001 40P01 57P01 08006 28000 3F000 F0000"
    told = {code: is_of_the_item(lookup(code)()) for code in f"{of_items} {of_others}".split()}

    assert of_items.split() == [code for code, is_of_item in told.items() if is_of_item]


def test_a_code_that_the_house_made_up(acme: Account) -> None:
    """It speaks of the row."""
    lay_rules(acme, RAISE.format("ABC12"))
    poison_record(acme, "poison")

    assert 8 == acme.sync().exit_code
    assert ["import_records"] == [row["resource"] for row in acme.rows(REJECTED)]
    assert served(acme) - 1 == acme.size("import_records")


@pytest.mark.parametrize("code", ["42501", "53100"])
def test_no_items_fault(acme: Account, code: str) -> None:
    """Nothing is searched and nothing rejected; the resource fails, and the account's others are synced."""
    lay_rules(acme, RAISE.format(code))
    poison_record(acme, "poison")
    outcome = acme.sync()

    assert [("import_records", 6)] == [(failure.resource, failure.exit_code) for failure in outcome.failures]
    assert (8, "partial") == (outcome.exit_code, outcome.outcome)
    assert 0 == acme.size("rejected_items")
    assert (12, 12) == (acme.size("imports"), acme.size("case_fields"))
    acme.command("DROP FUNCTION public.house CASCADE")
    acme.sync()
    require_level(acme)


@pytest.mark.parametrize("table", ["imports", "import_records", "case_fields", "case_field_entries"])
def test_a_table_that_may_not_be_written(acme: Account, table: str) -> None:
    """The other resources go on."""
    acme.command(HOUSE.format(act=RAISE.format("42501")).replace("'%poison%'", "'%'"))
    acme.command(TRIGGER.format(table))
    outcome = acme.sync()

    assert 8 == outcome.exit_code
    sizes = {name: acme.size(name) for name in ("imports", "case_fields")}
    assert sizes == {"imports": 0 if table == "imports" else 12, "case_fields": 0 if table.startswith("case") else 12}


@every_poison
def test_a_deferred_rule(acme: Account, poison: Poison) -> None:
    """It speaks at once, not at COMMIT, when nobody could tell of which row."""
    lay_rules(acme, RAISE.format("23503"), DEFERRED)
    resource = poison(acme, "poison")

    assert 8 == acme.sync().exit_code
    assert [resource] == [row["resource"] for row in acme.rows(REJECTED)]


def test_several_far_apart(acme: Account) -> None:
    """Each is found."""
    lay_rules(acme, RAISE.format("P0001"))
    many = acme.world.add_import(records=0)
    lines = [{"id": str(number), "status": "poison" if number % 70 == 3 else "ok"} for number in range(400)]
    acme.world.replace_records(many, lines)
    acme.sync()

    assert 400 - 6 == acme.size("import_records", many)
    assert 6 == acme.size("rejected_items")
    assert [] == acme.rows(COUNTED)


def test_everything_is_refused(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search ends, and nobody is told a thousand times."""
    monkeypatch.setattr(halving, "MAX_REFUSED", 20)
    lay_rules(acme, RAISE.format("P0001"))
    many = acme.world.add_import(records=0)
    acme.world.replace_records(many, [{"id": str(number), "status": "poison"} for number in range(400)])
    outcome = acme.sync()

    assert [("import_records", many)] == [(failure.resource, failure.import_id) for failure in outcome.failures]
    assert 0 == acme.size("rejected_items")
    assert served(acme) - 400 == acme.size("import_records")


def test_a_slow_import_is_stored_in_parts(acme: Account) -> None:
    """What takes longer than a statement may as a whole may do in halves; a record that does not is rejected."""
    acme.command(f"ALTER ROLE CURRENT_USER IN DATABASE {database(acme)} SET statement_timeout = '400ms'")
    lay_rules(
        acme, "PERFORM pg_sleep(CASE WHEN NEW.account <> '' AND to_jsonb(NEW)::text LIKE '%slow%' THEN 1 ELSE 0.05 END)"
    )
    many = acme.world.add_import(records=0)
    lines = [{"id": f"poison {number}", "status": "slow" if number == 7 else "ok"} for number in range(16)]
    acme.world.replace_records(many, lines)

    assert 8 == acme.sync().exit_code
    assert 15 == acme.size("import_records", many)
    assert [("import_records", many)] == [(row["resource"], row["import_id"]) for row in acme.rows(REJECTED)]
    assert served(acme) - 1 == acme.size("import_records")


def database(acme: Account) -> str:
    """The name of its database, quoted."""
    return str(acme.value("SELECT quote_ident(current_database())"))


def test_what_the_source_still_has_stays(synced: Account) -> None:
    """A refused change takes nothing away: the record stays as it was, and so do its errors."""
    lay_rules(synced, RAISE.format("P0001"))
    one = largest(synced)
    before = synced.rows("SELECT * FROM talkdesk.import_records WHERE import_id = %s ORDER BY position", one.id)
    poison_record(synced, "poison")
    synced.sync(full=True)

    assert before == synced.rows("SELECT * FROM talkdesk.import_records WHERE import_id = %s ORDER BY position", one.id)


def test_records_that_are_gone_go(synced: Account) -> None:
    """Also where another one of the import is refused."""
    lay_rules(synced, RAISE.format("P0001"))
    one = largest(synced)
    synced.world.replace_records(one.id, [{"id": "poison"}, *one.records[:3], {"id": "new"}])
    synced.sync(full=True)

    assert 4 == synced.size("import_records", one.id)
    assert [] == synced.rows(COUNTED)


# A database that lacks characters


@every_poison
def test_a_character_is_lacking(narrow: Account, poison: Poison) -> None:
    """The item is kept in JSON's escapes; in keys, too, nothing else is stopped."""
    resource = poison(narrow, "poison ☃")
    outcome, again = narrow.sync(), narrow.sync()

    assert (8, []) == (outcome.exit_code, outcome.failures)
    (kept,) = narrow.rows(REJECTED)
    assert resource == kept["resource"]
    assert r"poison \u2603" in kept["item"]
    assert "22P05" in kept["reason"]
    assert (0, 0) == (again.exit_code, written(again))


def test_a_key_that_cannot_be_asked_for(narrow: Account) -> None:
    """The database cannot even be asked whether it is there."""
    narrow.world.put_import({"id": "☃", "status": "COMPLETED"}, [{"id": "1"}])
    narrow.world.put_field({"key": "☃", "dict_list": [{"key": "☃"}]})
    one = largest(narrow)
    narrow.world.replace_records(one.id, [{"id": "1"}, {"id": "☃"}, {"id": "3"}])
    outcome, again = narrow.sync(), narrow.sync()

    assert (8, []) == (outcome.exit_code, outcome.failures)
    resources = ["case_field_entries", "case_fields", "import_records", "imports"]
    assert resources == sorted(row["resource"] for row in narrow.rows(REJECTED))
    assert 2 == narrow.size("import_records", one.id)
    assert (12, 12) == (narrow.size("imports"), narrow.size("case_fields"))
    assert (0, 0) == (again.exit_code, written(again))


def test_a_reason_that_names_it(narrow: Account) -> None:
    """What is rejected before it is stored may say where, and a key may hold anything."""
    narrow.world.put_field({"key": "☃", "dict_list": [{"value": "no key"}, "no object"]})
    narrow.world.put_field({"key": "k", "dict_list": [{"key": "☃", "children": [{"value": "no key"}]}]})
    outcome = narrow.sync()

    assert (8, []) == (outcome.exit_code, outcome.failures)
    assert 13 == narrow.size("case_fields")


def test_what_it_has_is_stored(narrow: Account) -> None:
    """As it is."""
    narrow.world.put_field({"key": "k", "name": "Straße €"})

    assert 0 == narrow.sync().exit_code
    assert "Straße €" == narrow.value("SELECT name FROM talkdesk.case_fields WHERE field_key = 'k'")


def test_a_connection_that_is_lost_meanwhile() -> None:
    """Whatever the statement had said: nothing can follow on the same connection."""
    error = OperationalError(None, None, QueryCanceled(), connection_invalidated=True)

    assert (True, False) == (is_lost(error), is_of_the_item(error))
