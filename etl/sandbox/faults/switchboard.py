"""The faults that are switched on, around the answering of every request."""

from threading import Lock
from typing import Unpack

from starlette.requests import Request
from starlette.responses import Response

from etl.sandbox.answers import target
from etl.sandbox.faults.names import parsed
from etl.sandbox.faults.rules import Rule, When
from etl.sandbox.faults.stream import Fault, Proceed


class Faults:
    """The faults that are switched on; may be changed from any thread while requests are answered."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rules: tuple[Rule, ...] = ()

    def add(self, fault: Fault, **when: Unpack[When]) -> Rule:
        """The fault strikes from the next request on, outside of those added before it."""
        rule = Rule(fault=fault, **when)
        with self._lock:
            self._rules += (rule,)
        return rule

    def use(self, text: str) -> Rule:
        """A fault by name is added: `NAME[=VALUE][,times=N][,after=N][,every=N][,path=REGEX]`."""
        fault, when = parsed(text)
        return self.add(fault, **when)

    def remove(self, rule: Rule) -> None:
        """That fault is off."""
        with self._lock:
            self._rules = tuple(known for known in self._rules if known is not rule)

    def clear(self) -> None:
        """Every fault is off."""
        with self._lock:
            self._rules = ()

    async def answer(self, request: Request, proceed: Proceed) -> Response:
        """The answer to the request, with every fault around it that strikes."""
        for rule in self._rules:
            proceed = _around(rule, request, proceed)
        return await proceed()


def _around(rule: Rule, request: Request, proceed: Proceed) -> Proceed:
    async def answer() -> Response:
        return await (rule.fault(request, proceed) if rule.strikes(target(request)) else proceed())

    return answer
