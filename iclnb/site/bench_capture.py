"""What the benchmark says of one prompt: the time and memory of the last token's attention."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from iclnb import display
from iclnb.site import bench_pictures, picture_cache
from iclnb.site.bench_about import count, milliseconds, ratio
from iclnb.site.bench_record import EAGER, NAMES, OURS, PASS, Row, exponent, of


def answer(found: Sequence[Row]) -> str:
    """Times against a pass that reads no attention, and how that grows."""
    at = {(row.way, row.size): row for row in of(found, "capture")}
    sizes = dict.fromkeys([_sizes(found)[-1], max(size for _, size in at)])
    against = {
        way: ", ".join(
            f"{ratio(at[way, size], at[PASS, size])} times with {size} tokens"
            for size in sizes
            if (way, size) in at
        )
        for way in (OURS, EAGER)
    }
    eager = f"; eager attention {against[EAGER]}" if against[EAGER] else ""
    said = (
        "Time to read the last token's attention in every layer, against a pass that reads none: "
        f"`last_token_attention` {against[OURS]}{eager}."
    )
    alone = [row for row in of(found, "capture") if row.way == PASS]
    power = exponent([row.size for row in alone], [row.median for row in alone])
    if power.high < 0.5:
        grown = display.number(round(power.value, 2) + 0.0)  # no minus before a zero
        said += (
            f" The pass itself takes hardly longer with more tokens (the power {grown} of their number), "
            "as where starting kernels takes longer than running them."
        )
    return said


def _sizes(found: Sequence[Row]) -> list[int]:
    """Of one prompt: 600 and 2000 tokens, or the two largest sizes that all ways were timed at."""
    measured = of(found, "capture")
    ways = {row.way for row in measured}
    common = [s for s in dict.fromkeys(r.size for r in measured) if len(of(found, "capture", s)) == len(ways)]
    return [size for size in (600, 2000) if size in common] or common[-2:]


def tables(record: Mapping[str, Any], found: Sequence[Row], pictures: Path) -> Iterator[str]:
    """Time and memory of one prompt, and a picture of the growth of time."""
    measured = of(found, "capture")
    ways = list(dict.fromkeys(row.way for row in measured))
    at = {(row.way, row.size): row for row in measured}
    last, largest = _sizes(found)[-1], max(row.size for row in measured)
    shown = list(dict.fromkeys([*_sizes(found), largest]))

    def listed(cell: Any, *more: Any) -> list[tuple]:
        return [
            (
                display.Author(NAMES[way]),
                *(display.Author(cell(at[way, size])) if (way, size) in at else "" for size in shown),
                *(each(way) for each in more),
            )
            for way in ways
        ]

    worst = max((row.difference for row in measured if row.difference is not None), default=None)
    yield "## Attention of the last token, one prompt"
    yield f"No number that was compared differs by more than {display.number(worst, 2)}" + (
        f": eager attention rounds its scores to {record['dtype']}, fused attention and ours do not."
        if record["dtype"] != "float32"
        else "."
    )
    yield "Milliseconds, by the number of tokens:"
    times = listed(lambda row: milliseconds(row.seconds), lambda way: ratio(at[way, last], at[PASS, last]))
    yield display.table(("way", *map(str, shown), f"times the pass, {last}"), times).data
    yield "Memory in MB, by the number of tokens:"
    yield display.table(("way", *map(str, shown)), listed(lambda row: count(row.megabytes))).data
    series = {NAMES[way]: [(row.size, row.median) for row in measured if row.way == way] for way in ways}
    yield f"```{{raw}} html\n{picture_cache.html(bench_pictures.growth, series, pictures)}\n```"
