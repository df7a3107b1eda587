"""The picture of appendix 01c."""

import matplotlib.pyplot as plt
import numpy as np

from iclnb import figures
from iclnb.bayes.crossing import BAYES
from iclnb.bayes.estimates_transformer import by_kernel, distances, nearest_kernel
from iclnb.bayes.following import IGNORING, Following
from iclnb.figures import Picture
from iclnb.stats import interval


@figures.picture
def following(found: Following, *, seed: int) -> Picture:
    """Left: distance of the prediction to Bayes and kernels, by n. Right: heads against each kernel."""
    lines = {
        "to Bayes": distances(found.trained, BAYES),
        "to the nearest kernel regression": nearest_kernel(found.trained),
        f"to {IGNORING}": distances(found.trained, IGNORING),
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    for (name, values), look in zip(lines.items(), figures.SERIES, strict=False):
        figures.band(left, found.ns, interval(values, seed=seed), name, **look)
    random = interval(distances(found.random, BAYES), seed=seed)
    figures.band(left, found.ns, random, "random weights, to Bayes", **figures.CONTROL)
    left.set(
        xscale="log", ylim=(0, 2), xlabel="demonstrations n", ylabel="mean L1 distance of the prediction"
    )
    left.set_xticks(found.ns, [str(n) for n in found.ns])
    left.minorticks_off()
    left.legend(fontsize=8)
    heads = by_kernel(found, seed=seed)
    names, looks = ("trained", "random weights"), (figures.SERIES[0], figures.CONTROL)
    for j, (name, look) in enumerate(zip(names, looks, strict=True)):
        points = np.array([pair[j] for pair in heads.values()], dtype=float)
        places = np.arange(len(heads)) + 0.2 * j - 0.1
        right.hlines(places, points[:, 1], points[:, 2], color=look["color"], linewidth=1.4)
        right.plot(points[:, 0], places, label=name, **{**look, "linestyle": ""})
    right.set(
        yticks=range(len(heads)), yticklabels=list(heads), xlabel="correlation of the best head", xlim=(-1, 1)
    )
    right.set_xticks((-1, -0.5, 0, 0.5, 1))
    right.invert_yaxis()
    right.legend(fontsize=8)
    ends = ", ".join(f"{name} {values[:, -1].mean():.2f}" for name, values in lines.items())
    best = max(heads, key=lambda name: float(heads[name][0].value))
    pair = [float(each.value) for each in heads[best]]
    alt = (
        f"Distance of the transformer's prediction at n = {found.ns[-1]}: {ends}; random weights to Bayes "
        f"{float(random.value[-1]):.2f}. The kernel that a head matches best is {best}: "
        f"correlation {pair[0]:.2f}, with random weights {pair[1]:.2f}."
    )
    caption = "Left: predictions. Right: heads, chosen on half of the prompts. Intervals: 95 % over HMMs."
    return Picture(figure, alt, caption)
