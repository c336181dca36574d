"""Accounts, the calls that sync them, and who waits for whom: a discrete-event simulation.

Of a run it knows how long it takes, which is measured (docs/explanation/scale.md says how); of the product, by what
rule accounts take turns (etl/sync/turns.py): the stalest first, one of the first few by chance, each under its lock.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

MINUTE, HOUR = 60.0, 3_600.0
FEW = 5  # of so many that wait longest one is taken by chance
INTERPRETER_SECONDS = 0.06  # of each account one process can do no other, however many it has side by side
WAITING_SECONDS = 0.165  # the rest of a run without news: the answers of the source
DATABASE_SECONDS = 0.028  # of the server's processors
LOOK_SECONDS, LOOK_SECONDS_EACH = 0.007, 4.4e-6  # a look at the list, and what each account on it adds
QUEUE_SECONDS = 0.009  # a job of a worker, from the queue and back
OPEN_SECONDS = 0.018  # a session, until it has the lock or has not
DATABASE_CORES = 4


class Way(NamedTuple):
    """How the accounts are synced: calls on so many machines, a new one at each tick; `due` None takes all in order.

    Where they work, they are workers: calls without an end, for which each tick puts what is due into one queue.
    """

    name: str
    jobs: int = 8
    machines: int = 1
    due: float | None = HOUR
    limit: float = 15 * MINUTE
    every: float = 5 * MINUTE
    overlaps: bool = False
    works: bool = False


class Fate(NamedTuple):
    """What happens to some of the accounts, taken by chance: from `since` on a run of theirs hangs for so long."""

    name: str
    broken: Callable[[int], int] = lambda _accounts: 0
    hangs: float = 0.0
    since: float = 2 * HOUR


class Processor:
    """Does what it is asked for in the order of asking, on so many cores."""

    def __init__(self, cores: int = 1) -> None:
        self._free_at, self._cores = 0.0, cores

    def use(self, now: float, seconds: float) -> float:
        """When so many seconds' work is done; one piece of it runs on one core."""
        self._free_at = max(now, self._free_at) + seconds / self._cores
        return max(self._free_at, now + seconds)


class Account:
    """An account; the age of its copy counts from the start of the run that made it, `worst` is the greatest ever."""

    def __init__(self, *, is_broken: bool) -> None:
        self.is_broken = is_broken
        self.is_locked = self.has_died = False
        self.began = -math.inf
        self.copied_at: float | None = None
        self.worst = 0.0
        self.copies = 0

    def age(self, now: float) -> float:
        """How old its copy is; nothing that never was grows old."""
        return 0.0 if self.copied_at is None else now - self.copied_at

    def copied(self, now: float) -> None:
        """The run that began last has made a copy."""
        self.worst = max(self.worst, self.age(now))
        self.copied_at = self.began
        self.copies += 1


class World:
    """The accounts, the clock, the database, and what is counted."""

    def __init__(self, accounts: int, way: Way, fate: Fate, *, seed: int = 1) -> None:
        self.way, self.fate, self.random = way, fate, random.Random(seed)  # noqa: S311 - no secret
        broken = set(self.random.sample(range(accounts), fate.broken(accounts)))
        self.accounts = [Account(is_broken=number in broken) for number in range(accounts)]
        self.database = Processor(DATABASE_CORES)
        self.queue: deque[int] = deque()
        self.calls: list[Call] = []
        self.now = 0.0
        self.collisions = self.at_once = self.most_at_once = 0
        self._by_start = [(account.began, number) for number, account in enumerate(self.accounts)]
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        for _ in range(way.machines):
            self.at(self.random.random(), self._tick, [])

    def at(self, when: float, do: Callable[..., None], *arguments: Any) -> None:
        """Do this then."""
        heapq.heappush(self._events, (when, next(self._order), do, arguments))

    def run(self, until: float) -> None:
        """Let time go by."""
        while self._events and self._events[0][0] <= until:
            self.now, _, do, arguments = heapq.heappop(self._events)
            do(*arguments)
        self.now = until

    def is_due(self, account: Account) -> bool:
        """Whether it is free, and its last run began long enough ago or died."""
        is_old = self.way.due is None or account.began <= self.now - self.way.due
        return not account.is_locked and (is_old or account.has_died)

    def stalest(self, left: set[int]) -> list[int]:
        """The first few of these that are due, by the start of their last run."""
        few: list[int] = []
        seen = []
        while len(few) < FEW and (entry := self._pop_old()):
            seen.append(entry)
            if entry[1] in left and self.is_due(self.accounts[entry[1]]):
                few.append(entry[1])
        for entry in seen:
            heapq.heappush(self._by_start, entry)
        return few or [number for number in left if self.accounts[number].has_died]

    def _pop_old(self) -> tuple[float, int] | None:
        """Take the account whose run began first, if that is long enough ago."""
        while self._by_start and self._by_start[0][0] <= self.now - (self.way.due or 0.0):
            began, number = heapq.heappop(self._by_start)
            if began == self.accounts[number].began:  # else it has begun again since, and stands there twice
                return began, number
        return None

    def begin(self, number: int) -> None:
        """A run of this account begins, under its lock."""
        account = self.accounts[number]
        account.is_locked, account.has_died, account.began = True, False, self.now
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        heapq.heappush(self._by_start, (self.now, number))

    def end(self, number: int, *, has_died: bool = False) -> None:
        """The run is over, and its lock is free."""
        account = self.accounts[number]
        account.is_locked, account.has_died = False, has_died
        self.at_once -= 1

    def _tick(self, mine: "list[Call]") -> None:
        """Begin a call on a machine, unless one is under way there and none may overlap; so again at its next tick."""
        if self.way.works:
            self._fill()
        if self.way.overlaps or not any(call.slots for call in mine):
            mine.append(Call(self))
            self.calls.append(mine[-1])
        self.at(self.now + self.way.every, self._tick, mine)

    def _fill(self) -> None:
        """Put what is due into the queue; what is under way is looked at again at the next tick."""
        locked = []
        while entry := self._pop_old():
            if self.accounts[entry[1]].is_locked:
                locked.append(entry)
            else:
                self.queue.append(entry[1])
        for entry in locked:
            heapq.heappush(self._by_start, entry)


class Call:
    """One call of `sync`: its slots share an interpreter, and look at the list one after the other.

    Once it finds nothing on the list, slots that come free stay empty; it is over when all are.
    """

    def __init__(self, world: World) -> None:
        self.slots = world.way.jobs
        self.under_way: set[int] = set()
        self._world = world
        self._left = set(range(len(world.accounts)))
        self._in_order = iter(range(len(world.accounts)))
        self._interpreter = Processor()
        self._wanting, self._is_looking, self._is_over, self._is_dead = 0, False, False, False
        for _ in range(self.slots):
            self._want()

    def kill(self) -> None:
        """It is gone, and the database has noticed: its locks are free."""
        self._is_dead, self.slots = True, 0
        for number in self.under_way:
            self._world.end(number, has_died=True)

    def _want(self) -> None:
        """A slot is free."""
        self._wanting += 1
        if not self._is_looking:
            self._look()

    def _look(self) -> None:
        """Choose from the list as it is now; it takes a while to be read."""
        self._wanting, self._is_looking = self._wanting - 1, True
        number, seconds = None if self._is_over else self._choose(), self._seconds_to_look()
        self._is_over = number is None and not self._world.way.works
        self._world.at(self._world.database.use(self._world.now, seconds), self._looked, number)

    def _choose(self) -> int | None:
        if self._world.way.works:
            return self._world.queue.popleft() if self._world.queue else None
        if self._world.way.due is None:
            return next(self._in_order, None)
        if not (few := self._world.stalest(self._left)):
            return None
        number = self._world.random.choice(few)
        self._left.remove(number)
        return number

    def _seconds_to_look(self) -> float:
        if self._world.way.due is None or self._is_over:
            return 0.0
        if self._world.way.works:
            return QUEUE_SECONDS
        return LOOK_SECONDS + LOOK_SECONDS_EACH * len(self._left)

    def _looked(self, number: int | None) -> None:
        self._is_looking = False
        if self._is_dead:
            return
        if number is None and self._world.way.works:
            self._world.at(self._world.now + self._world.way.every, self._want)
        elif number is None:
            self.slots -= 1
        else:
            self._world.at(self._world.now + OPEN_SECONDS, self._try, number)
        if self._wanting:
            self._look()

    def _try(self, number: int) -> None:
        """Run it, unless another call has meanwhile taken it."""
        world, account = self._world, self._world.accounts[number]
        if self._is_dead:
            return
        if not world.is_due(account):
            world.collisions += 1
            self._want()
            return
        world.begin(number)
        self.under_way.add(number)
        if account.is_broken and world.now >= world.fate.since:
            world.at(world.now + min(world.fate.hangs, world.way.limit), self._end, number)
        else:
            computed = self._interpreter.use(world.now, INTERPRETER_SECONDS)
            stored = world.database.use(world.now, DATABASE_SECONDS)
            world.at(max(computed, stored) + WAITING_SECONDS, self._succeed, number)

    def _succeed(self, number: int) -> None:
        if not self._is_dead:
            self._world.accounts[number].copied(self._world.now)
            self._end(number)

    def _end(self, number: int) -> None:
        if not self._is_dead:
            self.under_way.remove(number)
            self._world.end(number)
            self._want()
