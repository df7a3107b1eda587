"""What becomes of the answers when heads are ablated or label values swapped."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb.errors import IclnbError
from iclnb.heads import direct
from iclnb.heads.interventions import Head, ablate, best_heads, random_heads_like, swapping
from iclnb.llm.attention import CaptureError
from iclnb.llm.demonstrations import Prompts
from iclnb.llm.depth import MIDDLE, layers_within
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader

WHOLE = "whole model"
BEST = "best heads ablated"
RANDOM = "random heads of the same layers"
ELSEWHERE = "best heads of other layers"
MIDDLE_VALUES = "values swapped, middle layers"
OTHER_VALUES = "values swapped, as many other layers"
ALL_VALUES = "values swapped, all layers"
REWRITTEN = "labels rewritten in the prompt"

ABLATIONS = (BEST, RANDOM, ELSEWHERE)

CONTROLS = (RANDOM, ELSEWHERE, OTHER_VALUES)
"""Interventions that stand beside another as its control."""

DRAWS = 3
"""Draws of random heads, over which their effect is averaged."""


@dataclass(frozen=True)
class Causes:
    """Answers of the whole model and under interventions.

    Attributes:
        answers: intervention -> log-probabilities of the label words, for each of its draws.
            (draws, sets, points, classes)
        truth: the labels of the queries. (sets, points)
        heads: the heads ablated as the best ones, best first.
        parts: ablation -> part (:data:`iclnb.heads.direct.PARTS`) -> what it takes off the log-probabilities,
            up to a number that the words share; nothing where effects cannot be split.
        unsplit: why they cannot.
    """

    answers: dict[str, Float[np.ndarray, "draws sets points classes"]]
    truth: Int[np.ndarray, "sets points"]
    heads: list[Head]
    parts: Mapping[str, Mapping[str, Float[np.ndarray, "draws sets points classes"]]] = field(
        default_factory=dict
    )
    unsplit: str = ""

    def separation(self, name: str) -> Float[np.ndarray, "sets points"]:
        """:func:`separation` under an intervention, in nats, averaged over its draws."""
        return np.mean([separation(drawn, self.truth) for drawn in self.answers[name]], axis=0)

    def cost(self, name: str) -> Float[np.ndarray, "sets points"]:
        """What an intervention takes off the separation of the whole model, in nats."""
        return self.separation(WHOLE) - self.separation(name)

    def part(self, name: str, part: str) -> Float[np.ndarray, "sets points"]:
        """A part of the cost of an ablation, in nats; all parts add up to :meth:`cost`."""
        return np.mean([separation(drawn, self.truth) for drawn in self.parts[name][part]], axis=0)

    def right(self, name: str) -> Float[np.ndarray, "sets points"]:
        """Where the answer is the query's label, averaged over draws."""
        return (self.answers[name].argmax(-1) == self.truth).mean(axis=0)


def measure(
    reader: Reader,
    wording: Wording,
    prompts: Prompts,
    truth: Int[np.ndarray, " points"],
    scores: Float[np.ndarray, "layers heads"],
    selecting: Bool[np.ndarray, " points"],
    *,
    top: int,
    points: int,
    rewritten: Prompts | None = None,
    seed: int,
) -> Causes:
    """Intervene in the best heads and in the values at label tokens, with controls.

    Sets whose labels are all of one class are left out: there is nothing to swap in them.

    Args:
        reader: the model.
        wording: of the prompts.
        prompts: with shared demonstrations. (sets, points)
        truth: labels of the test points.
        scores: of every head, such as its agreement with the model on other prompts.
        selecting: test points whose mean head outputs replace those of ablated heads; the others judge.
        top: heads to ablate.
        points: judging test points, at most.
        rewritten: the same prompts with the labels rewritten, for comparison.
        seed: of the random heads, of layers and of the label partners.

    Raises:
        IclnbError: if fewer than two sets show labels of several classes, or a layer has too few other heads.
    """
    mixed = [row for row in range(len(prompts)) if len(set(prompts[row, 0].labels)) > 1]
    if len(mixed) < 2:
        raise IclnbError(f"{len(mixed)} demonstration sets show several labels, 2 are needed; draw more sets")
    judged = np.flatnonzero(~selecting)[:points]
    chosen = np.flatnonzero(selecting)[: max(8, points)]
    given = prompts[np.ix_(mixed, judged)]
    means = reader.mean_head_outputs(prompts[np.ix_(mixed, chosen)])
    rng, heads = np.random.default_rng(seed), best_heads(scores, top)
    layers = len(scores)
    middle = layers_within(layers, MIDDLE)
    ablated = {
        BEST: [heads],
        RANDOM: [random_heads_like(heads, scores.shape[1], rng) for _ in range(DRAWS)],
        ELSEWHERE: [best_heads(scores, top, without={layer for layer, _ in heads})],
    }
    others = rng.permutation(np.setdiff1d(np.arange(layers), middle))[: len(middle)]
    swapped = {MIDDLE_VALUES: middle.tolist(), OTHER_VALUES: sorted(others.tolist()), ALL_VALUES: None}
    found, parts, unsplit = _ablations(reader, wording, given, ablated, means)
    for name, where in swapped.items():
        found[name] = [reader.answers(given, wording, alter=swapping(seed, where))]
    if rewritten is not None:
        found[REWRITTEN] = [reader.answers(rewritten[np.ix_(mixed, judged)], wording)]
    answers = {name: np.stack(each) for name, each in found.items()}
    return Causes(answers, np.tile(truth[judged], (len(mixed), 1)), heads, parts, unsplit)


def _ablations(
    reader: Reader,
    wording: Wording,
    given: Prompts,
    ablated: Mapping[str, list[list[Head]]],
    means: Float[np.ndarray, "layers heads dim"],
) -> tuple[dict[str, list[np.ndarray]], dict[str, dict[str, np.ndarray]], str]:
    """Answers of the whole model and under each ablation, the parts of the effect, and why there are none."""
    edits = {name: [ablate(drawn, means) for drawn in draws] for name, draws in ablated.items()}
    try:
        path = direct.Path(reader, wording, given)
        whole, constant = path.written(), path.of_means(means)
        seen = {name: [path.written(edit) for edit in each] for name, each in edits.items()}
    except CaptureError as error:
        found = {name: [reader.answers(given, wording, edit=e) for e in each] for name, each in edits.items()}
        return {WHOLE: [reader.answers(given, wording)]} | found, {}, error.why
    parts = {}
    for name, draws in ablated.items():
        pairs = zip(draws, seen[name], strict=True)
        split = [direct.split(whole, without, drawn, constant) for drawn, without in pairs]
        parts[name] = {part: np.stack([one[part] for one in split]) for part in direct.PARTS}
    found = {name: [one.answers for one in each] for name, each in seen.items()}
    return {WHOLE: [whole.answers]} | found, parts, ""


def separation(
    answers: Float[np.ndarray, "sets points classes"], truth: Int[np.ndarray, "sets points"]
) -> Float[np.ndarray, "sets points"]:
    """How many nats the true label stands above the others, once each set's average answer is taken off.

    A model that answers every query alike has separation 0 however sure it is; one that knows the labels
    has a positive mean, one that has them the wrong way round a negative one.

    Args:
        answers: log-probabilities of the label words.
        truth: the labels of the queries.
    """
    centred = answers - answers.mean(-1, keepdims=True)
    own = centred - centred.mean(axis=1, keepdims=True)
    true = np.take_along_axis(own, truth[..., None], -1)[..., 0]
    others = (own.sum(-1) - true) / (answers.shape[-1] - 1)
    return true - others
