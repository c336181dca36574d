"""Rows and pictures into one HTML file that needs nothing else; what the source sent is inert in it."""

import base64
import hashlib
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from importlib import resources
from typing import Any, NamedTuple

from markupsafe import Markup

from etl import __version__
from etl.inert import shown
from etl.report import charts
from etl.report.reading import MOST_CHANGES, NEAR_LOSS_HOURS, Account, Option, Report

OLD = timedelta(hours=26)
"""Older than a day and a little is what a daily sync has missed."""
SPAN_DAYS = 90
DAY = timedelta(days=1)
MOST_DAYS = 92
"""More columns than that are a wall; then one is a week, or a month."""
MOST_LINES = 6
MOST_GAPS = 200
LONGEST = 300
"""Characters of a text of the source; longer ones are cut."""
MOST_FAILURES = 50
INACTIVE = Markup(' <span class="status">inactive</span>')


class Verdict(NamedTuple):
    """Whether the copy can be trusted, in a headline and in what there is to say of it."""

    level: str
    headline: str
    sentences: list[str]


class Picture(NamedTuple):
    """A chart with the table that says the same; without anything to show, a sentence instead."""

    title: str
    svg: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def render(report: Report, *, command: Sequence[str]) -> str:
    """Return the page; `command` is what was typed to make it."""
    import jinja2  # noqa: PLC0415 - of the extra `report`

    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.PackageLoader("etl.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        when=_when,
        day=_day,
        number=_number,
        plain=_plain,
        took=_took,
        percent=_percent,
        ago=partial(_ago, report.as_of),
    )
    script = _asset("script.js")
    return environment.get_template("page.html.j2").render(
        report=report,
        verdict=verdict(report),
        pictures=_pictures(report),
        trees=[(tree, _tree(tree.options)) for tree in report.trees],
        rows_command=_rows_command,
        field_command=_field_command,
        version=__version__,
        command=shlex.join(command),
        style=Markup(_asset("style.css")),  # noqa: S704 - our own
        script=Markup(script),  # noqa: S704 - our own
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        most_failures=MOST_FAILURES,
        most_changes=MOST_CHANGES,
        shown_options=sum(tree.shown for tree in report.trees),
        all_options=sum(tree.number for tree in report.trees),
    )


def _asset(name: str) -> str:
    return resources.files(__name__.rpartition(".")[0]).joinpath("templates", name).read_text(encoding="utf-8")


# The verdict


def verdict(report: Report) -> Verdict:
    """Return whether the copy can be trusted, the worst first."""
    if not report.accounts:
        return Verdict(
            "bad", "Nothing was ever synced into this warehouse.", ["Run talkdesk-etl sync, then this again."]
        )
    bad = [said for account in report.accounts for said in _gravest(account)]
    doubtful = [said for account in report.accounts for said in _doubtful(account, report.as_of)]
    if bad:
        return Verdict("bad", "Look at this first.", [*bad, *doubtful])
    if doubtful:
        return Verdict("warn", "The copy is whole but for this.", doubtful)
    return Verdict("good", "The copy is whole and current.", [_all_is_well(report)])


def _gravest(account: Account) -> Iterator[str]:
    if account.last_success_at is None:
        yield f"{account.name}: something of it was never synced to its end."
    elif account.hours_until_loss is not None and account.hours_until_loss <= 0:
        yield f"{account.name}: the source may have forgotten imports that were not read."
    elif account.hours_until_loss is not None and account.hours_until_loss < NEAR_LOSS_HOURS:
        hours = round(account.hours_until_loss)
        yield f"{account.name}: imports will be lost in {hours} hours unless a sync succeeds before."


def _doubtful(account: Account, now: datetime) -> Iterator[str]:
    if account.last_success_at is not None and now - account.last_success_at > OLD:
        yield f"{account.name}: the last good sync was {_ago(now, account.last_success_at)}."
    if account.failed_run:
        yield f"{account.name}: {account.failed_run}"
    if account.gaps:
        yield f"{account.name}: {_counted(account.gaps, 'gap')} in which imports may have come and gone unseen."
    if account.rejected:
        yield f"{account.name}: {_counted(account.rejected, 'item')} could not be loaded: see talkdesk.rejected_items."
    if account.incomplete:
        yield f"{account.name}: the records of {_counted(account.incomplete, 'finished import')} are not all here."


def _all_is_well(report: Report) -> str:
    oldest = min(account.last_success_at for account in report.accounts if account.last_success_at)
    who = "Every account was" if len(report.accounts) > 1 else f"{report.accounts[0].name} was"
    return f"{who} synced {_ago(report.as_of, oldest)}, without a gap, and nothing was rejected."


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# The pictures


def _pictures(report: Report) -> dict[str, Picture]:
    made = {
        "timeline": _timeline(report),
        "daily": _daily(report),
        "types": _types(report),
        "durations": _durations(report),
        "records": _records(report),
    }
    return {
        name: picture._replace(svg=Markup(charts.numbered(picture.svg, number)))  # noqa: S704 - drawn here
        for number, (name, picture) in enumerate(made.items())
        if picture.svg
    }


def _timeline(report: Report) -> Picture:
    midnight = report.as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = midnight - timedelta(days=SPAN_DAYS)
    # The accounts of the worst copies: more would be a wall.
    names = [account.name for account in report.accounts][:MOST_LINES]
    listed = [
        {
            "account": _plain(row.account),
            **_span(row.day, row.day + DAY),
            "said": f"{_plain(row.account)}, {_day(row.day)}: {_counted(row.listings, 'complete listing')}",
        }
        for row in report.listings
        if row.account in names
    ]
    gaps = [
        {
            "account": _plain(row.account),
            **_span(max(row.gap_from, begin), row.gap_to),
            "said": f"{_plain(row.account)}: gap from {_minute(row.gap_from)} to {_minute(row.gap_to)} UTC",
        }
        for row in report.gaps
        if row.gap_to > begin and row.account in names
    ]
    rows: list[Sequence[object]] = [
        (_plain(row.account), "gap", f"{_minute(row.gap_from)} to {_minute(row.gap_to)}")
        for row in report.gaps[:MOST_GAPS]
    ]
    rows += [
        (_plain(row.account), _counted(row.listings, "complete listing"), _day(row.day))
        for row in sorted(report.listings, key=lambda row: (row.account, row.day), reverse=True)
        if row.account in names
    ]
    ends = _span(begin, report.as_of)
    lines = [_plain(name) for name in names]
    svg = charts.timeline(listed, gaps, names=lines, **ends) if listed or gaps else ""
    whose = f" of the {MOST_LINES} worst accounts" if len(names) < len(report.accounts) else ""
    title = f"Complete listings of the last {SPAN_DAYS} days, and gaps{whose}"
    return Picture(title, svg, ("account", "what", "when (UTC)"), rows)


def _daily(report: Report) -> Picture:
    parts = [(row.day, row.outcome, row.imports) for row in report.daily]
    return _columns(report, "Imports", ", by outcome", parts, charts.OUTCOMES)


def _records(report: Report) -> Picture:
    kinds = {kind: charts.OUTCOMES[kind] for kind in ("completed", "failed")}
    parts = [(row.day, kind, getattr(row, kind)) for row in report.daily for kind in kinds]
    return _columns(report, "Records", "", parts, kinds)


def _columns(
    report: Report, what: str, how: str, parts: Sequence[tuple[date, str, int]], kinds: Mapping[str, str]
) -> Picture:
    """Return columns of a day each, of a week or a month where there are too many days."""
    step, begin, end = _step((report.until - report.since).days)
    found: dict[date, Counter[str]] = defaultdict(Counter)
    for day, kind, number in parts:
        found[begin(day)][kind] += max(number, 0)
    rows: list[dict[str, object]] = []
    for day, numbers in sorted(found.items()):
        low = 0
        for kind in kinds:
            if number := numbers[kind]:
                width = (end(day) - day) * 0.86
                said = f"{_day(day)}: {number:,} {what.lower()} {kind}"
                part = _span(day, datetime.combine(day, time(), UTC) + width)
                rows.append({**part, "low": low, "high": low + number, "kind": kind, "said": said})
                low += number
    shown = [kind for kind in kinds if any(numbers[kind] for numbers in found.values())]
    svg = charts.stacked(rows, by=kinds, title=what.lower()) if rows else ""
    table = [(_day(day), *(found[day][kind] for kind in shown)) for day in sorted(found, reverse=True)]
    return Picture(f"{what} per {step}{how}", svg, (f"{step} (UTC)", *shown), table)


def _step(days: int) -> tuple[str, Callable[[date], date], Callable[[date], date]]:
    """Return what a column is, and the first day of that of a day, and of the one after it."""
    if days <= MOST_DAYS:
        return "day", lambda day: day, lambda day: day + DAY
    if days <= 7 * MOST_DAYS:
        return "week", lambda day: day - day.weekday() * DAY, lambda day: day + 7 * DAY
    return "month", lambda day: day.replace(day=1), lambda day: day + 28 * DAY


def _types(report: Report) -> Picture:
    known = [(row, row.completed + row.failed) for row in report.types]
    rates = sorted(
        ((row, row.failed / all_ if all_ else None) for row, all_ in known), key=lambda each: -(each[1] or 0)
    )
    rows = [
        {
            "name": _plain(row.type),
            "rate": rate,
            "text": _percent(rate),
            "said": f"{_plain(row.type)}: {_percent(rate)} of {row.completed + row.failed:,} records failed",
        }
        for row, rate in rates
        if rate is not None
    ]
    svg = charts.rates(rows[:MOST_LINES], title="of the records failed") if rows else ""
    table = [
        (
            _plain(row.type),
            row.imports,
            row.completed,
            row.failed,
            _percent(rate),
        )
        for row, rate in rates
    ]
    columns = ("type", "imports", "completed records", "failed records", "failure rate")
    return Picture("Failure rate by type", svg, columns, table)


def _durations(report: Report) -> Picture:
    rows = [
        {
            "name": row.records,
            "median": max(float(row.median), 0.5),
            "slow": max(float(row.slow), 0.5),
            "said": f"{row.records} records: half of {_counted(row.imports, 'import')} took no more than "
            f"{_took(row.median)}, nine of ten no more than {_took(row.slow)}",
        }
        for row in report.durations
    ]
    svg = charts.spans(rows, title="median, with nine of ten") if rows else ""
    table = [
        (row.records, row.imports, _took(row.median), _took(row.slow), _took(row.longest)) for row in report.durations
    ]
    columns = ("records", "imports", "half within", "nine of ten within", "longest")
    return Picture("How long imports take, by size", svg, columns, table)


def _span(since: date, until: date) -> dict[str, str]:
    """Return both ends for a picture; a day is its midnight in UTC."""
    return {"since": _iso(since), "until": _iso(until)}


def _iso(instant: date) -> str:
    if isinstance(instant, datetime):
        return instant.astimezone(UTC).isoformat()
    return datetime.combine(instant, time(), UTC).isoformat()


def _minute(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%-d %b %Y, %H:%M}"


# Trees, whatever their depth


def _tree(options: Sequence[Option]) -> Markup:
    """Return the options as lists in lists, those with something below them folding."""
    return Markup("").join(_tokens(options))


def _tokens(options: Sequence[Option]) -> Iterator[Markup]:
    end_of_list, end_of_node = Markup("</ul>"), Markup("</ul></details></li>")
    pending: list[Iterator[Option]] = [iter(options)]
    yield Markup("<ul>")
    while pending:
        option = next(pending[-1], None)
        if option is None:
            pending.pop()
            yield end_of_node if pending else end_of_list
        elif option.below:
            yield Markup("<li><details><summary>{}</summary><ul>").format(_option(option))
            pending.append(iter(option.below))
        else:
            yield Markup("<li>{}</li>").format(_option(option))


def _option(option: Option) -> Markup:
    words = Markup("<span>{}</span> <code>{}</code>").format(_plain(option.label or "–"), _plain(option.key))
    return words + INACTIVE if option.is_inactive else words


# Commands to copy


def _rows_command(import_id: str, account: str) -> str:
    return shlex.join(["talkdesk-etl", "failed-rows", shown(import_id), "--account", shown(account)])


def _field_command(key: str, accounts: Iterable[str]) -> str:
    return shlex.join(["talkdesk-etl", "report", "--field", shown(key), *(f"--account={shown(a)}" for a in accounts)])


# Words


def _plain(text: object) -> str:
    """Return the text without what would steer the reader's eye: controls, marks that turn its direction, no end."""
    plain = shown(str(text))
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}…"


def _number(number: object) -> str:
    return "–" if number is None else f"{number:,}"


def _percent(share: Any) -> str:
    return "–" if share is None else f"{float(share):.1%}"


def _when(instant: datetime | None) -> Markup:
    """Return an instant as people write it, with the exact one behind it."""
    if instant is None:
        return Markup("never")
    at = instant.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S.%f}".rstrip("0").rstrip("."), f"{at:%-d %b %Y, %H:%M}"
    )


def _day(day: date) -> str:
    return f"{day:%-d %b %Y}"


def _took(duration: Any) -> str:
    """Return a length of time, given as such or in seconds."""
    if duration is None:
        return "–"
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{seconds:.0f} s"


def _ago(now: datetime, instant: datetime | None) -> str:
    if instant is None:
        return "never"
    seconds = max((now - instant).total_seconds(), 0)
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            return f"{_counted(int(seconds // size), unit)} ago"
    return "less than a minute ago"
