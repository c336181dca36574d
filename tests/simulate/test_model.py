"""The laws that the simulation keeps, whatever comes out of it."""

import math
from collections import Counter
from itertools import pairwise

import pytest

from etl.sync import turns
from tests.simulate import model
from tests.simulate.model import FEW, HOUR, MINUTE, Fate, Way, World

HEALTHY = Fate("all are healthy")
ONE_SLOT = Way("one slot", jobs=1)
SLOTS = Way("8 slots")
THREE = Way("three machines", machines=3)
WORKERS = Way("three workers", machines=3, every=15, works=True)


class Recorded(World):
    """A world that notes when the runs of each account began and ended."""

    def __init__(self, accounts: int, way: Way, fate: Fate = HEALTHY) -> None:
        self.begun: list[tuple[float, int]] = []
        self.ended: list[tuple[float, int]] = []
        super().__init__(accounts, way, fate)

    def begin(self, number: int) -> None:
        """Note it."""
        self.begun.append((self.now, number))
        super().begin(number)

    def end(self, number: int, *, has_died: bool = False) -> None:
        """Note it."""
        self.ended.append((self.now, number))
        super().end(number, has_died=has_died)

    def spans(self, number: int) -> list[tuple[float, float]]:
        """From when to when its runs were, the last one perhaps without an end."""
        begun, ended = ([when for when, each in notes if each == number] for notes in (self.begun, self.ended))
        return list(zip(begun, [*ended, math.inf][: len(begun)], strict=True))


def broken(number: int, *, hangs: float = math.inf, since: float = 0.0) -> Fate:
    return Fate("some hang", lambda _accounts: number, hangs, since)


def simulated(accounts: int, way: Way, fate: Fate = HEALTHY, *, until: float = 5 * HOUR) -> Recorded:
    world = Recorded(accounts, way, fate)
    world.run(until)
    return world


@pytest.fixture(scope="module", params=[THREE, SLOTS._replace(overlaps=True), WORKERS], ids=lambda way: way.name)
def busy(request: pytest.FixtureRequest) -> Recorded:
    """Accounts some of which hang, and calls that vie for them."""
    return simulated(300, request.param, broken(30, hangs=4 * MINUTE))


def test_an_account_has_one_run_at_a_time(busy: Recorded) -> None:
    for number in range(300):
        assert all(one[1] <= other[0] for one, other in pairwise(busy.spans(number)))


def test_no_account_has_two_runs_within_its_interval(busy: Recorded) -> None:
    """Whichever call takes it."""
    for number in range(300):
        assert all(other[0] - one[0] >= HOUR for one, other in pairwise(busy.spans(number)))


def test_no_work_is_lost(busy: Recorded) -> None:
    """What began has ended or is under way, and what ended well is a copy."""
    ended = Counter(number for _, number in busy.ended)

    assert len(busy.begun) - len(busy.ended) == busy.at_once
    for number, account in enumerate(busy.accounts):
        assert (0 if account.is_broken else ended[number]) == account.copies


def test_a_slot_has_one_account_at_a_time() -> None:
    """Not even while some of them hang."""
    assert 1 == simulated(50, ONE_SLOT, broken(5)).most_at_once
    assert 8 == simulated(50, SLOTS, broken(20)).most_at_once
    assert 24 == simulated(500, THREE).most_at_once == simulated(500, WORKERS).most_at_once


def test_the_stalest_come_first() -> None:
    """By the start of their last run; by chance, one may be passed by as many as are chosen from, and seldom more."""
    world = simulated(200, ONE_SLOT, until=2 * HOUR)
    (first, second) = ([number for _, number in world.begun[begin : begin + 200]] for begin in (0, 200))

    assert sorted(first) == sorted(second) == list(range(200))
    assert all(second.index(number) - place < 8 * FEW for place, number in enumerate(first))


def test_accounts_that_hang_take_turns_as_all_others() -> None:
    """Ordered by their last success they would have all slots for ever."""
    world = simulated(200, SLOTS, broken(12))

    assert all(account.copies >= 3 for account in world.accounts if not account.is_broken)
    assert all(0 == account.copies for account in world.accounts if account.is_broken)


def test_a_locked_account_is_skipped() -> None:
    world = Recorded(20, SLOTS)
    world.accounts[7].is_locked = True
    world.run(HOUR / 2)

    assert [0 if number == 7 else 1 for number in range(20)] == [account.copies for account in world.accounts]


def test_a_limit_frees_the_slot() -> None:
    """The next account begins when the time of the one that hangs is over, and without a limit never."""
    fate, two = broken(1), Way("one slot", jobs=1, limit=10 * MINUTE)
    hanging = next(number for number, account in enumerate(World(2, two, fate).accounts) if account.is_broken)
    limited, endless = simulated(2, two, fate), simulated(2, two._replace(limit=math.inf), fate)

    assert {10 * MINUTE} == {round(ended - begun, 6) for begun, ended in limited.spans(hanging) if ended < math.inf}
    assert limited.accounts[1 - hanging].copies >= 4
    assert [math.inf] == [ended for _, ended in endless.spans(hanging)]
    assert endless.accounts[1 - hanging].copies <= 1


def test_a_hang_that_ends_by_itself_needs_no_limit() -> None:
    world = simulated(1, ONE_SLOT, broken(1, hangs=4 * MINUTE), until=HOUR / 2)

    assert [4 * MINUTE] == [round(ended - begun, 6) for begun, ended in world.spans(0)]


def test_death_frees_the_lock() -> None:
    """Another machine takes the account over at its next tick, although its last run has just begun."""
    world = Recorded(8, SLOTS, broken(8, hangs=2 * HOUR))
    world.run(MINUTE)
    (call,) = world.calls
    assert set(range(8)) == call.under_way
    call.kill()
    world.run(6 * MINUTE)

    for number in range(8):
        (_, died), (again, _) = world.spans(number)
        assert MINUTE == died < again < 6 * MINUTE


def test_a_call_that_is_alone_never_collides() -> None:
    assert 0 == simulated(300, SLOTS).collisions


def test_workers_never_collide() -> None:
    """They share a queue, and it is never empty for long while anything is due."""
    world = simulated(300, WORKERS)

    assert 0 == world.collisions
    assert all(account.worst < HOUR + MINUTE for account in world.accounts)


def test_calls_that_look_at_the_same_list_collide() -> None:
    """And nothing comes of it but a look: every account is synced once in its turn."""
    world = simulated(100, SLOTS._replace(machines=8), until=HOUR / 2)

    assert world.collisions > 0
    assert [1] * 100 == [account.copies for account in world.accounts]


def test_one_interpreter_is_no_faster_with_more_slots() -> None:
    for jobs in (8, 64):
        world = simulated(200, SLOTS._replace(jobs=jobs), until=HOUR / 2)

        assert world.ended[-1][0] - world.begun[0][0] >= 200 * model.INTERPRETER_SECONDS


def test_what_was_measured_comes_out() -> None:
    """101 accounts without news and answers of 50 ms: 22.7 s one after the other, 6.0 s with eight slots."""
    for way, seconds in ((Way("", jobs=1, due=None), 22.7), (Way("", due=None), 6.0)):
        world = simulated(101, way, until=4 * MINUTE)

        assert pytest.approx(seconds, rel=0.1) == world.ended[-1][0] - world.begun[0][0]


def test_as_many_collide_as_were_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls at once, 303 accounts, and a server with one core to itself: 55 and 57 of 100."""
    monkeypatch.setattr(model, "DATABASE_CORES", 1)
    world = simulated(303, THREE, until=4 * MINUTE)

    assert pytest.approx(0.56, abs=0.1) == world.collisions / 303


def test_an_age_counts_from_the_start_of_the_run_that_made_the_copy() -> None:
    world = simulated(1, ONE_SLOT, until=1.5 * HOUR)
    (first, second) = world.spans(0)

    assert pytest.approx(second[1] - first[0]) == world.accounts[0].worst
    assert pytest.approx(1.5 * HOUR - second[0]) == world.accounts[0].age(world.now)


def test_as_few_are_chosen_from_as_by_the_product() -> None:
    assert turns.FEW == FEW


def test_the_same_seed_tells_the_same() -> None:
    assert simulated(100, SLOTS, broken(9)).begun == simulated(100, SLOTS, broken(9)).begun
