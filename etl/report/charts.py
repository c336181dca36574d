"""The rows as pictures: static SVG, made without a browser, in the page's own colours.

Colours are variables of the page with a fallback for places that forbid styles; every mark says what it shows. What
stands in a picture is data, never an expression. A picture is narrow, so that its words can be read on a phone.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

WIDE = 380
HIGH, LINE_HIGH = 190, 36
FEW = 4
"""So many things are counted by ones."""
LETTERS = 13
INK, QUIET, LINE = "var(--ink, #1c2430)", "var(--quiet, #5b6675)", "var(--line, #d9dee5)"
OUTCOMES = {
    "completed": "var(--c-good, #2f6db5)",
    "with errors": "var(--c-warn, #c98a16)",
    "failed": "var(--c-bad, #a8432b)",
    "cancelled": "var(--c-mute, #8f99a6)",
    "under way": "var(--c-soft, #a9c8ea)",
    "other": LINE,
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
TICKS = {
    1: "1 s",
    10: "10 s",
    30: "30 s",
    60: "1 min",
    300: "5 min",
    1800: "30 min",
    3600: "1 h",
    21600: "6 h",
    86400: "1 d",
    864000: "10 d",
}
_ID = re.compile(r'\b(id="|url\(#|href="#)(?=[\w-])')

Row = Mapping[str, Any]


def stacked(rows: Sequence[Row], *, by: Mapping[str, str], title: str) -> str:
    """Draw columns in time: each row is the part of its `kind` from `low` to `high`, `since` `until`, and `said`."""
    import altair as alt  # noqa: PLC0415 - only this command draws

    kinds = [kind for kind in by if any(row["kind"] == kind for row in rows)]
    most = max(row["high"] for row in rows)
    ticks: dict[str, Any] = {"values": list(range(most + 1))} if most <= FEW else {"tickCount": 4}
    chart = (
        alt.Chart(_data(rows))
        .mark_bar()
        .encode(
            x=alt.X("since:T", title=None, scale=alt.Scale(type="utc"), axis=_days(tickCount=4, grid=False)),
            x2="until:T",
            y=alt.Y("low:Q", title=title, axis=alt.Axis(format="~s", domain=False, **ticks)),
            y2="high:Q",
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=[by[kind] for kind in kinds]),
                legend=alt.Legend(title=None, columns=3) if len(kinds) > 1 else None,
            ),
            description="said:N",
        )
    )
    return _svg(chart, width=WIDE, height=HIGH)


def rates(rows: Sequence[Row], *, title: str) -> str:
    """Draw a bar for each `name`, as long as its `rate`, with its `text` behind it; `said` is what it tells."""
    import altair as alt  # noqa: PLC0415 - see above

    most = max(row["rate"] for row in rows)
    base = alt.Chart(_data(rows)).encode(
        y=_names("name"),
        x=alt.X(
            "rate:Q",
            title=title,
            scale=alt.Scale(domain=[0, 1.3 * most or 1]),
            axis=alt.Axis(format=".1~%", tickCount=3),
        ),
        description="said:N",
    )
    bars = base.mark_bar(color=OUTCOMES["with errors"], height={"band": 0.5})
    texts = base.mark_text(align="left", dx=6, color=INK, fontSize=LETTERS, aria=False).encode(text="text:N")
    return _svg(bars + texts, width=WIDE - 100, height=LINE_HIGH * len(rows))


def spans(rows: Sequence[Row], *, title: str) -> str:
    """Draw for each `name` a point at its `median` and a line from there to `slow`, seconds by powers of ten."""
    import altair as alt  # noqa: PLC0415 - see above

    low, high = min(row["median"] for row in rows), max(row["slow"] for row in rows)
    words = " : ".join(f"datum.value == {value} ? '{word}'" for value, word in TICKS.items())
    x = alt.X(
        "median:Q",
        title=title,
        scale=alt.Scale(type="log", nice=False, domain=[low / 2, high * 2]),
        axis=alt.Axis(values=list(TICKS), labelOverlap=True, labelExpr=f"{words} : ''"),
    )
    base = alt.Chart(_data(rows)).encode(y=_names("name", title="records"), x=x, description="said:N")
    line = base.mark_rule(color=OUTCOMES["under way"], strokeWidth=7, strokeCap="round", aria=False).encode(x2="slow:Q")
    point = base.mark_circle(color=OUTCOMES["completed"], size=120, opacity=1)
    return _svg(line + point, width=WIDE - 100, height=LINE_HIGH * len(rows))


def timeline(listed: Sequence[Row], gaps: Sequence[Row], *, names: Sequence[str], since: str, until: str) -> str:
    """Draw a line for each `account`: its days with a complete listing, and its gaps over them."""
    import altair as alt  # noqa: PLC0415 - see above

    y = _names("account", sort=list(names), labels=len(names) > 1)
    scale = alt.Scale(type="utc", domain=[since, until])
    x = alt.X("since:T", title=None, scale=scale, axis=_days(tickCount=6, grid=False))

    def band(rows: Sequence[Row], color: str, height: float) -> Any:
        marks = alt.Chart(_data(rows)).mark_bar(color=color, height={"band": height})
        return marks.encode(x=x, x2="until:T", y=y, description="said:N")

    bands = [(listed, OUTCOMES["completed"], 0.55), (gaps, OUTCOMES["with errors"], 0.9)]
    layers = [band(rows, color, height) for rows, color, height in bands if rows]
    return _svg(alt.layer(*layers), width=WIDE, height=LINE_HIGH * max(len(names), 1))


def _data(rows: Sequence[Row]) -> Any:
    import altair as alt  # noqa: PLC0415 - see above

    return alt.InlineData(values=[dict(row) for row in rows])


def _days(**options: Any) -> "alt.Axis":
    import altair as alt  # noqa: PLC0415 - see above

    return alt.Axis(format="%-d %b", labelFlush=True, labelOverlap=True, **options)


def _names(column: str, *, sort: Sequence[str] | None = None, labels: bool = True, title: str | None = None) -> "alt.Y":
    import altair as alt  # noqa: PLC0415 - see above

    axis = alt.Axis(labelLimit=150, labels=labels, ticks=False, domain=False, labelPadding=8)
    return alt.Y(f"{column}:N", sort=sort, title=title, axis=axis)


def _svg(chart: Any, *, width: int, height: int) -> str:
    import vl_convert  # noqa: PLC0415 - it brings an engine of its own

    quiet = {"labelColor": QUIET, "titleColor": QUIET, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE}
    sized = chart.properties(
        width=width, height=height, background="transparent", padding={"left": 20, "right": 5, "top": 5, "bottom": 5}
    )
    styled = sized.configure(font=FONT).configure_axis(
        **quiet, labelFontSize=LETTERS, titleFontSize=LETTERS, titleFontWeight="normal"
    )
    styled = styled.configure_view(stroke=None).configure_legend(
        orient="top", labelColor=INK, labelFontSize=LETTERS, symbolType="square", offset=6
    )
    svg: str = vl_convert.vegalite_to_svg(styled.to_dict(), allowed_base_urls=[])
    return svg


def numbered(svg: str, number: int) -> str:
    """Return the picture with names of its own: several of them stand in one page."""
    return _ID.sub(lambda found: f"{found[1]}p{number}-", svg)
