"""The rows as pictures: static SVG, made without a browser, in the page's own colours.

Colours are variables of the page with a fallback for places that forbid styles; every mark says what it shows. Each
chart is as wide as a page is at most, and is scaled down with it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

WIDTH = 680
INK, QUIET, LINE = "var(--ink, #1c2430)", "var(--quiet, #5b6675)", "var(--line, #d9dee5)"
OUTCOMES = {
    "completed": "var(--c-good, #2f6db5)",
    "with errors": "var(--c-warn, #e0a030)",
    "failed": "var(--c-bad, #b5482f)",
    "cancelled": "var(--c-mute, #98a2ae)",
    "under way": "var(--c-soft, #b9d2ee)",
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_ID = re.compile(r'\b(id="|url\(#|href="#)(?=[\w-])')

Row = Mapping[str, Any]


def stacked(rows: Sequence[Row], *, value: str, by: Mapping[str, str], title: str) -> str:
    """Draw a bar a day, stacked by `kind`; rows have day, kind and the value."""
    import altair as alt  # noqa: PLC0415 - half a second, and only this command draws

    order = {kind: number for number, kind in enumerate(by)}
    data = [{**row, "day": row["day"].isoformat(), "order": order[row["kind"]]} for row in rows]
    said = [{**row, "said": f"{row['day']}: {row[value]:,} {row['kind']}"} for row in data]
    chart = (
        alt.Chart(alt.InlineData(values=said))
        .mark_bar()
        .encode(
            x=alt.X("day:T", timeUnit="utcyearmonthdate", title=None, axis=alt.Axis(format="%b %d", tickCount=6)),
            y=alt.Y(f"{value}:Q", title=title, axis=alt.Axis(tickMinStep=1, tickCount=4)),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=list(by), range=list(by.values())), legend=alt.Legend(title=None)
            ),
            order=alt.Order("order:Q"),
            description="said:N",
        )
    )
    return _svg(chart, height=180)


def bars(rows: Sequence[Row], *, name: str, value: str, said: str, title: str, axis: str = ",~r") -> str:
    """Draw a bar a row, longest or first on top as they come; `said` is what each tells."""
    import altair as alt  # noqa: PLC0415 - see above

    chart = (
        alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))
        .mark_bar(color=OUTCOMES["completed"], cornerRadiusEnd=2)
        .encode(
            y=alt.Y(f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=160, ticks=False, domain=False)),
            x=alt.X(f"{value}:Q", title=title, axis=alt.Axis(format=axis, tickCount=5)),
            description=f"{said}:N",
        )
    )
    return _svg(chart, height=24 * max(len(rows), 1))


def timeline(
    listed: Sequence[Row], gaps: Sequence[Row], *, names: Sequence[str], since: datetime, until: datetime
) -> str:
    """Draw a line an account: a mark for each day on which the list was read whole, a band for each gap."""
    import altair as alt  # noqa: PLC0415 - see above

    y = alt.Y("account:N", sort=list(names), title=None, axis=alt.Axis(labelLimit=140, ticks=False, domain=False))
    days = [
        {**row, "day": row["day"].isoformat(), "said": f"{row['day']}: the list was read {row['listings']} times"}
        for row in listed
    ]
    spans = [
        {
            "account": row["account"],
            "gap_from": row["gap_from"].isoformat(),
            "gap_to": row["gap_to"].isoformat(),
            "said": f"gap from {row['gap_from']:%Y-%m-%d %H:%M} to {row['gap_to']:%Y-%m-%d %H:%M} UTC",
        }
        for row in gaps
    ]
    scale = alt.Scale(type="utc", domain=[since.isoformat(), until.isoformat()])
    x = alt.X("day:T", title=None, scale=scale, axis=alt.Axis(format="%b %d", tickCount=6))
    read = (
        alt.Chart(alt.InlineData(values=days))
        .mark_tick(color=OUTCOMES["completed"], thickness=5, height=14)
        .encode(x=x, y=y, description="said:N")
    )
    lost = (
        alt.Chart(alt.InlineData(values=spans))
        .mark_bar(color=OUTCOMES["failed"], height=6)
        .encode(x=alt.X("gap_from:T", scale=scale), x2="gap_to:T", y=y, description="said:N")
    )
    return _svg(read + lost if spans else read, height=24 * max(len(names), 1))


def _svg(chart: "alt.Chart | alt.LayerChart", *, height: int) -> str:
    import vl_convert  # noqa: PLC0415 - it brings an engine of its own

    quiet = {"labelColor": QUIET, "titleColor": QUIET, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE}
    sized = chart.properties(
        width=WIDTH - 130,
        height=height,
        background="transparent",
        padding={"left": 12, "right": 12, "top": 5, "bottom": 5},
    )
    styled = sized.configure(font=FONT).configure_axis(
        **quiet, labelFontSize=12, titleFontSize=12, titleFontWeight="normal"
    )
    styled = styled.configure_view(stroke=None).configure_legend(
        orient="top", labelColor=INK, labelFontSize=12, symbolType="square", offset=4
    )
    svg: str = vl_convert.vegalite_to_svg(styled.to_dict())
    return svg


def numbered(svg: str, number: int) -> str:
    """Return the picture with names of its own: several of them stand in one page."""
    return _ID.sub(lambda found: f"{found[1]}p{number}-", svg)
