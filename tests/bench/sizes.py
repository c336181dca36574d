"""How large the accounts are that are measured."""

from typing import NamedTuple


class Size(NamedTuple):
    """An account: imports with so many records each, case fields with so many dictionary nodes in all."""

    name: str
    imports: int = 0
    records_each: int = 0
    imports_per_page: int = 100
    records_per_page: int = 100
    fields: int = 50
    nodes: int = 20_000
    depth: int = 6
    seed: int = 7
    is_renamed: bool = False

    @property
    def records(self) -> int:
        """Records of all imports."""
        return self.imports * self.records_each


class Sizes(NamedTuple):
    """The accounts of one bench run, each named after its part in it."""

    sync: tuple[Size, ...]
    memory: tuple[Size, ...]
    listing: Size
    far: tuple[Size, ...]
    trees: Size
    cron: Size
    many: Size
    many_accounts: int
    line: tuple[Size, Size]
    line_stored: int
    page_imports: int


SMALL = Size("small", 200, 100)
MID = Size("mid", 100, 1_000)
LARGE = Size("large", 1_000, 1_000)
HUGE = Size("huge", 3_000, 1_000)
SYNC = {size.name: size for size in (SMALL, MID, LARGE)}

FULL = Sizes(
    sync=(SMALL, MID, LARGE),
    memory=(SMALL, LARGE, HUGE),
    listing=Size("listing", 50_000, 1, records_per_page=10),
    far=(SMALL, MID, LARGE),
    trees=Size("trees"),
    cron=Size("cron", 20, 30, fields=5, nodes=200),
    many=Size("many", 60, 30, imports_per_page=50, fields=5, nodes=200),
    many_accounts=101,
    line=(MID, HUGE),
    line_stored=10_000_000,
    page_imports=5_000,
)

_TINY = Size("tiny", 6, 20, fields=4, nodes=80)
SHORT = Sizes(
    sync=(_TINY,),
    memory=(_TINY,),
    listing=Size("listing", 250, 1, fields=1, nodes=10),
    far=(_TINY,),
    trees=Size("trees", fields=4, nodes=80),
    cron=_TINY,
    many=_TINY,
    many_accounts=3,
    line=(_TINY, Size("tiny-3", 18, 20, fields=4, nodes=80)),
    line_stored=1_000,
    page_imports=50,
)
