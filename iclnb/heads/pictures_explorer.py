"""The picture of the head explorer: what the weights of every head follow."""

from iclnb import figures
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.heads.explorer import Explored
from iclnb.heads.pictures import best_head, head_maps


@figures.picture
def followed(found: Explored) -> Picture:
    """Maps of all heads: how much of the ranks of the weights each feature explains, mean over prompts."""
    k = max(found.weights)
    panels = {name: found.follows(name, k).mean(0) for name in found.features}
    figure = head_maps(panels, {}, label="share explained")
    best = {name: best_head(values) for name, values in panels.items()}
    listed = "; ".join(
        f"{name} at most {number(float(values[best[name]]))} (layer {best[name][0]}, head {best[name][1]})"
        for name, values in panels.items()
    )
    most = max(panels, key=lambda name: panels[name].max())
    return Picture(
        figure,
        alt=f"The weights of single heads follow {most} most. Share of their ranks explained: {listed}; "
        f"by chance {number(1 / (k - 1))}.",
        caption=f"Share of the variance of the weights' ranks that each feature explains, by head; by chance "
        f"{number(1 / (k - 1))}. Frames: the largest.",
    )
