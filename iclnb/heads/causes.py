"""What becomes of the answers when heads are ablated or label values swapped, the choice of heads redrawn."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb.errors import IclnbError
from iclnb.heads import direct
from iclnb.heads.direct import PARTS, TOTAL
from iclnb.heads.interventions import ablate, swapping
from iclnb.heads.material import Material
from iclnb.llm.attention import CaptureError
from iclnb.llm.demonstrations import Prompts
from iclnb.llm.depth import MIDDLE, layers_within
from iclnb.llm.head_choice import Head, best_heads, random_heads_like
from iclnb.llm.reader import Reader

BEST: Final = "best heads"
RANDOM: Final = "random heads of the same layers"
ELSEWHERE: Final = "best heads of other layers"
ABLATIONS: Final = (BEST, RANDOM, ELSEWHERE)

SWAPPED: Final = "values swapped between classes, middle layers"
SAME_CLASS: Final = "values swapped within classes, middle layers"
OTHER_LAYERS: Final = "values swapped between classes, as many other layers"
REWRITTEN: Final = "labels rewritten in the prompt"
SWAPS: Final = (SWAPPED, SAME_CLASS, OTHER_LAYERS, REWRITTEN)


def intervene(
    reader: Reader, material: Material, hits: Bool[np.ndarray, "prompts layers heads"], run: SimpleNamespace
) -> Mapping[str, Any]:
    """Intervene in the best heads and in the values at label tokens, with controls: the findings' fields.

    The last ``run.cause_points`` test points, at most half of them, judge. ``run.top`` heads are chosen
    ``run.redraws`` times, each time on another half of the fresh prompts whose queries do not judge, and each
    choice is judged under one demonstration set, in turn. Sets whose labels are all of one class are left out:
    there is nothing to swap in them.

    ``hits`` says where every head agrees with the model on the fresh prompts.

    Raises IclnbError if fewer than two sets show labels of several classes, too few prompts are left to
    choose heads, or too few heads to choose from.
    """
    mixed = [row for row, labels in enumerate(material.shared.labels) if len(set(labels)) > 1]
    if len(mixed) < 2:
        raise IclnbError(f"{len(mixed)} demonstration sets show several labels, 2 are needed; draw more sets")
    judged = np.arange(material.points)[-min(run.cause_points, material.points // 2) :]
    free = np.setdiff1d(np.arange(len(hits)), judged)
    if len(free) < 4:
        raise IclnbError(f"{len(free)} fresh prompts are left to choose heads, 4 are needed; ask for more")
    given = material.shared_prompts[np.ix_(mixed, judged)]
    others = np.setdiff1d(np.arange(material.points), judged)[: max(8, len(judged))]
    means = reader.mean_head_outputs(material.shared_prompts[np.ix_(mixed, others)])
    rng, truth = np.random.default_rng(run.sampling_seed), material.rows.truth[judged]
    choices = [_draw(hits, free, run.top, rng) for _ in range(run.redraws)]
    whole, ablated, sets, unsplit = _ablations(reader, material, given, choices, means)
    now = separation(whole, truth)
    parts = {name: separation(part, truth) for name, part in ablated.items()}
    swapped = _swaps(reader, material, np.ix_(mixed, judged), len(means), rng, run.sampling_seed)
    share = np.zeros(hits.shape[1:])
    for best, *_ in choices:
        for head in best:
            share[head] += 1 / len(choices)
    return {
        "separation": now,
        "right": whole.argmax(-1) == truth,
        "cost": np.stack([parts[name] for name in PARTS], axis=1),
        "right_without": (whole[sets] - ablated[TOTAL]).argmax(-1) == truth,
        "redraw_set": sets,
        "chosen_share": share,
        "swap_cost": np.stack([now - separation(answers, truth) for answers in swapped]),
        "unsplit": unsplit,
    }


def _draw(
    hits: Bool[np.ndarray, "prompts layers heads"],
    free: Int[np.ndarray, " free"],
    top: int,
    rng: np.random.Generator,
) -> tuple[list[Head], list[Head], list[Head]]:
    """The heads of :data:`ABLATIONS`, as many of each, chosen on a random half of the free prompts."""
    scores = hits[rng.permutation(free)[: len(free) // 2]].mean(0)
    best = best_heads(scores, top)
    elsewhere = best_heads(scores, top, without={layer for layer, _ in best})
    if not len(best) == len(elsewhere) == top:
        raise IclnbError(f"{top} heads leave too few in other layers for a control; ablate fewer (top)")
    return best, random_heads_like(best, scores.shape[1], rng), elsewhere


def _ablations(
    reader: Reader,
    material: Material,
    given: Prompts,
    choices: Sequence[Sequence[list[Head]]],
    means: Float[np.ndarray, "layers heads dim"],
) -> tuple[np.ndarray, dict[str, np.ndarray], Int[np.ndarray, " redraws"], str]:
    """Answers of the whole model (sets, points, classes), and what each ablation takes off them, by part."""
    sets = np.arange(len(choices)) % len(given)
    try:
        path = direct.Path(reader, material.wording, given)
        whole, constant, unsplit = path.written(), path.of_means(means), ""
    except CaptureError as error:
        answers, unsplit = reader.answers(given, material.wording), error.why
    else:
        answers = whole.answers
    lost: dict[str, list] = {name: [] for name in PARTS}
    for row, heads in zip(sets, choices, strict=True):
        edits = [ablate(chosen, means) for chosen in heads]
        if unsplit:
            left = [reader.answers(given[row], material.wording, edit=edit) for edit in edits]
            nothing = dict.fromkeys(PARTS, np.full_like(answers[row], np.nan))
            parts = [nothing | {TOTAL: answers[row] - one} for one in left]
        else:
            pairs = zip([path.written(edit, row) for edit in edits], heads, strict=True)
            parts = [direct.split(whole.row(row), *pair, constant) for pair in pairs]
        for name in PARTS:
            lost[name].append([part[name] for part in parts])
    return answers, {name: np.array(one).swapaxes(0, 1) for name, one in lost.items()}, sets, unsplit


def _swaps(
    reader: Reader, material: Material, where: tuple, layers: int, rng: np.random.Generator, seed: int
) -> list[Float[np.ndarray, "sets points classes"]]:
    """Answers under :data:`SWAPS`; the other layers are drawn anew for every set."""
    middle, given = layers_within(layers, MIDDLE), material.shared_prompts[where]
    outside = np.setdiff1d(np.arange(layers), middle)

    def swapped(prompts: Prompts, layers: Int[np.ndarray, " chosen"], within: bool = False) -> np.ndarray:
        alter = swapping(seed, sorted(layers.tolist()), within=within)
        return reader.answers(prompts, material.wording, alter=alter)

    elsewhere = [swapped(row, rng.permutation(outside)[: len(middle)]) for row in given]
    rewritten = material.relabelled(reader.tokenizer, seed=seed)[where]
    return [
        swapped(given, middle),
        swapped(given, middle, within=True),
        np.stack(elsewhere),
        reader.answers(rewritten, material.wording),
    ]


def separation(
    answers: Float[np.ndarray, "*sets points classes"], truth: Int[np.ndarray, " points"]
) -> Float[np.ndarray, "*sets points"]:
    """How many nats the true label stands above the others, once each set's average answer is taken off.

    A model that answers every query alike has separation 0 however sure it is; one that knows the labels
    has a positive mean, one that has them the wrong way round a negative one. It is linear in the answers.
    """
    centred = answers - answers.mean(-1, keepdims=True)
    own = centred - centred.mean(axis=-2, keepdims=True)
    classes = own.shape[-1]
    true = (own * np.eye(classes)[truth]).sum(-1)
    return (true * classes - own.sum(-1)) / (classes - 1)
