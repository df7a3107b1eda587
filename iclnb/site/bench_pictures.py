"""The picture of the page on speed and memory."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.ticker import NullLocator

from iclnb import figures


@figures.picture
def growth(series: Mapping[str, Sequence[tuple[float, float]]]) -> figures.Picture:
    """Seconds against tokens, both in logarithms.

    Args:
        series: for each way its tokens and seconds.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    for line, (name, points) in zip(figures.SERIES, series.items(), strict=False):
        axes.plot(*zip(*points, strict=True), label=name.replace("`", ""), **line)
    axes.set(xscale="log", yscale="log", xlabel="tokens of the prompt", ylabel="seconds")
    axes.set_xticks(sorted({size for points in series.values() for size, _ in points}))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    figure.legend(loc="outside lower center", ncols=2)
    plain = {name.replace("`", ""): dict(points) for name, points in series.items()}
    common = max(set.intersection(*(set(points) for points in plain.values())))
    taken = {name: points[common] for name, points in plain.items()}
    slowest, fastest = max(taken, key=taken.get), min(taken, key=taken.get)
    ends = ", ".join(f"{name} {seconds:.3g}" for name, seconds in taken.items())
    alt = (
        f"With {common} tokens the slowest way ({slowest}) takes {taken[slowest] / taken[fastest]:.3g} times "
        f"as long as the fastest ({fastest}); seconds for one prompt: {ends}"
    )
    return figures.Picture(figure, alt=alt)
