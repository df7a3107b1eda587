"""Which way an answer flows: interventions at the last token, and how much of an answer each moves."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from iclnb.llm.attention.residual_hooks import Intervention
from iclnb.llm.prompts import Prompt

Kind = Literal["nothing", "query", "labels", "block labels", "block the rest", "block demonstrations"]


class Step(NamedTuple):
    """One intervention of the plan.

    Attributes:
        kind: ``query`` and ``labels`` put another run's residual stream in place at the input of layer
            ``start``: that of another query under the same demonstrations, or of the same query under
            demonstrations with other labels. ``block ...`` hides from the last token, in layers from
            ``start`` to ``stop`` (excluded), the label words of the demonstrations, everything else of them,
            or all of them.
        start, stop: layers.
    """

    kind: Kind
    start: int
    stop: int


def grid(layers: int, depths: int) -> Int[np.ndarray, " depths"]:
    """Layers at which states are exchanged between runs: evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, layers - 1, min(depths, layers)).round().astype(int))


def plan(layers: int, depths: int, windows: int = 6) -> list[Step]:
    """All interventions on one prompt; the first changes nothing.

    Args:
        layers: of the model.
        depths: at how many layers states are put in place, and from how many on labels are blocked.
        windows: in how many windows of neighbouring layers labels are blocked.
    """
    steps = [Step("nothing", 0, 0)]
    for kind in ("query", "labels"):
        steps += [Step(kind, int(layer), int(layer) + 1) for layer in grid(layers, depths)]
    for kind in ("block labels", "block the rest"):
        steps += [Step(kind, int(layer), layers) for layer in grid(layers, depths)]
    edges = np.unique(np.linspace(0, layers, min(windows, layers) + 1).round().astype(int)).tolist()
    steps += [Step("block labels", a, b) for a, b in pairwise(edges)]
    return [*steps, Step("block demonstrations", 0, layers)]


def places(steps: Sequence[Step], kind: Kind, *, to_the_end: int | None = None) -> Int[np.ndarray, " found"]:
    """Where in a plan the interventions of a kind stand: all, or those that stop at ``to_the_end`` alone."""
    found = [i for i, step in enumerate(steps) if step.kind == kind]
    return np.array([i for i in found if to_the_end is None or steps[i].stop == to_the_end], dtype=int)


def intervention(
    step: Step,
    prompt: Prompt,
    *,
    query: Float[Tensor, "depth width"],
    labels: Float[Tensor, "depth width"],
) -> Intervention:
    """A step of the plan on one prompt.

    Args:
        step: what to do.
        prompt: on which.
        query: residual stream of the last token, by layer, for another query.
        labels: the same for other labels.
    """
    if step.kind in ("query", "labels"):
        donor = query if step.kind == "query" else labels
        return Intervention(replaced={step.start: donor[step.start]})
    if step.kind == "nothing":
        return Intervention()
    words = {token for span in prompt.y for token in span.tokens}
    inside = set(range(max(1, prompt.x[0].start), prompt.query.start)) if prompt.x else set()
    tokens = {"block labels": words, "block the rest": inside - words, "block demonstrations": inside | words}
    chosen = sorted(tokens[step.kind])
    return Intervention(blocked=dict.fromkeys(range(step.start, step.stop), chosen))


def moved(
    before: Float[np.ndarray, "*runs words"],
    after: Float[np.ndarray, "*runs words"],
    toward: Float[np.ndarray, "*runs words"],
) -> tuple[Float[np.ndarray, "*runs"], Float[np.ndarray, "*runs"]]:
    """How far answers moved toward others, as numerator and denominator of a slope.

    With centred log-odds g of the label words, Σ (g_after - g_before)·(g_toward - g_before) over
    Σ |g_toward - g_before|² is 0 where nothing moves, 1 where every answer becomes the other one.

    Args:
        before, after, toward: log-probabilities of the label words.
    """
    start, end, goal = (centred(part) for part in (before, after, toward))
    return ((end - start) * (goal - start)).sum(-1), np.square(goal - start).sum(-1)


def kept(
    before: Float[np.ndarray, "*runs words"], after: Float[np.ndarray, "*runs words"]
) -> tuple[Float[np.ndarray, "*runs"], Float[np.ndarray, "*runs"]]:
    """How much of the answers is left, as numerator and denominator of a slope through the origin.

    Log-odds whose mean over the prompts is taken off should be given (:func:`without_prior`).
    """
    return (centred(before) * centred(after)).sum(-1), np.square(centred(before)).sum(-1)


def centred(answers: Float[np.ndarray, "*runs words"]) -> Float[np.ndarray, "*runs words"]:
    """Log-odds of the words: their log-probabilities minus the mean of these."""
    return answers - answers.mean(-1, keepdims=True)


def without_prior(answers: Float[np.ndarray, "sets points words"]) -> Float[np.ndarray, "sets points words"]:
    """Log-odds minus their mean over all prompts: what tells prompts apart, and not what the words are."""
    found = centred(answers)
    return found - found.mean((0, 1), keepdims=True)
