"""The picture of the page on speed and memory."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from iclnb import figures


@figures.picture
def growth(series: Mapping[str, Sequence[tuple[float, float]]]) -> figures.Picture:
    """Seconds against tokens, both in logarithms.

    Args:
        series: for each way its tokens and seconds.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    for line, (name, points) in zip(figures.SERIES, series.items(), strict=False):
        axes.plot(*zip(*points, strict=True), label=name.replace("`", "").replace("🤗 ", ""), **line)
    axes.set(xscale="log", yscale="log", xlabel="tokens of the prompt", ylabel="seconds")
    figure.legend(loc="outside lower center", ncols=2)
    ends = ", ".join(f"{name.replace('`', '')} {points[-1][1]:.3g} s at {points[-1][0]}"
                     for name, points in series.items())  # fmt: skip
    return figures.Picture(figure, alt=f"Seconds for one prompt against its tokens: {ends}")
