"""What chapter 03 measures of one model in one task."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from iclnb.errors import IclnbError
from iclnb.heads import causes, correlation
from iclnb.heads.correlation import WAYS
from iclnb.heads.findings import COMPARED, READINGS, WITH_CUE, Heads
from iclnb.heads.material import AT_LEAST, OF_DRAWS, OF_READER, Material, draw_material, settings_of
from iclnb.heads.nulls import CONTROLS, controls
from iclnb.heads.reconstruction import Decisions, best_of_layers, decide
from iclnb.llm.kernel_weights import VARIANTS, KernelWeights
from iclnb.llm.loading.readers import load_reader
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import bm25, embedding_similarity, prediction_similarity

BLOCKS = 10  # Groups of test points; half of them measure agreement, the others correlation


def measure(run: SimpleNamespace) -> Heads:
    """The findings of chapter 03.

    Raises IclnbError if there is too little to choose on one half and judge on the other.
    """
    if min(run.sets, run.k, run.cause_points) < 2 or min(run.points, run.fresh) < AT_LEAST:
        raise IclnbError(
            "half of the prompts choose, half judge: sets, k and cause_points >= 2, points and fresh >= "
            f"{AT_LEAST} are needed"
        )
    if min(run.top, run.redraws, run.permutations) < 1:
        raise IclnbError("top, redraws and permutations count heads, choices and permutations: 1 at least")
    where = settings_of(run, OF_READER)
    reader = load_reader(run.model, **where)
    blank = load_reader(run.model, random_weights_seed=run.model_seed, **where)
    material = draw_material(reader.tokenizer, run.task, **settings_of(run, OF_DRAWS))
    return heads_of(reader, blank, material, run)


def heads_of(reader: Reader, blank: Reader, material: Material, run: SimpleNamespace) -> Heads:
    """The findings of a model and of one with random weights on given prompts; ``run`` as in :func:`measure`."""
    causes.mixed_sets(material)  # refuses before anything is read
    shared, fresh = _weigh(reader, material)
    random = blank.kernel_weights(material.fresh_prompts, material.wording, fresh.truth)
    decided = [decide(shared, material.half[: material.points], prior_off=off) for off in (False, True)]
    own, other = (decide(part, material.half[: len(fresh.truth)], prior_off=True) for part in (fresh, random))
    null = {"permutations": run.permutations, "seed": run.sampling_seed}
    return Heads(
        task=material.rows.task.name,
        half=material.half,
        shared=[_methods(shared, one, None, **null) for one in decided],
        fresh=_methods(fresh, own, other, **null),
        shared_right=[one.right for one in decided],
        fresh_right=[one.right for one in (decide(fresh, own.half), own)],
        agreement=decided[0].hits.mean((0, 1)),
        fresh_hits=own.hits,
        shared_layers=decided[0].hits.mean(-1),
        shared_best=best_of_layers(decided[0]),
        fresh_best=best_of_layers(own),
        by_variant=[decide(shared, decided[0].half, variant=name).hit for name in VARIANTS],
        **_similarity(reader, material, shared, decided[0], run),
        **_causes(reader, material, own, run),
        origins={"model": reader.origin, "control": blank.origin, "data": material.rows.origins},
    )


def _weigh(reader: Reader, material: Material) -> tuple[KernelWeights, KernelWeights]:
    """Kernel weights and answers under shared and under fresh demonstrations."""
    truth = material.rows.truth
    prompts = material.shared_prompts
    shared = reader.kernel_weights(prompts, material.wording, truth[: material.points], variants=VARIANTS)
    prompts = material.fresh_prompts
    return shared, reader.kernel_weights(prompts, material.wording, truth[: len(prompts)])


def _methods(
    weights: KernelWeights, decided: Decisions, random: Decisions | None, **null: int
) -> list[np.ndarray]:
    """Hits of the chosen head and of its controls, in their order."""
    rivals = controls(weights, decided, **null)
    blank = np.full(decided.model.shape, np.nan) if random is None else random.hit
    return [decided.hit, *(rivals[name] for name in CONTROLS), blank]


def _similarity(
    reader: Reader, material: Material, shared: KernelWeights, decided: Decisions, run: SimpleNamespace
) -> Mapping[str, Any]:
    """The fields that speak of similarity (section 5.3)."""
    weights, half = shared.weights["maximum"], decided.half
    predicted, cue = prediction_similarity(reader), material.rows.task.format.cue
    readings = {name: material.similarity(predicted, cue if name == WITH_CUE else "") for name in READINGS}
    rivals = [material.similarity(compare) for compare in (embedding_similarity(), bm25)]
    null = {"permutations": run.permutations, "seed": run.sampling_seed}

    def judged(way: str, own: np.ndarray) -> np.ndarray:
        heads = correlation.most_alike(weights, own, half, way)
        return correlation.judged(weights, dict(zip(COMPARED, (own, *rivals), strict=True)), heads, half, way)

    def over(function: Any) -> np.ndarray:
        return np.array([[function(way, own) for own in readings.values()] for way in WAYS])

    groups = 2 * min(BLOCKS // 2, material.points // 4)
    parts = np.array_split(decided.hits, groups, axis=1)
    return {
        "correlation": over(lambda way, own: correlation.correlations(weights, own, way)),
        "products": over(judged),
        "permuted": over(lambda way, own: correlation.permuted(weights, own, half, way, **null)),
        "agreement_blocks": np.stack([part.mean(1) for part in parts[::2]], axis=1),
        "correlation_blocks": over(
            lambda way, own: correlation.in_blocks(weights, own, way, groups)[:, 1::2]
        ),
        "contrast": [_contrast(own, shared) for own in readings.values()],
    }


def _contrast(likeness: np.ndarray, shared: KernelWeights) -> np.ndarray:
    """Mean similarity to demonstrations of the query's own label less that to others, over the mean of all."""
    same = shared.labels == shared.truth[..., None]
    with np.errstate(invalid="ignore"):
        own, others = ((likeness * part).sum(-1) / part.sum(-1) for part in (same, ~same))
    return (own - others) / likeness.mean()


def _causes(reader: Reader, material: Material, own: Decisions, run: SimpleNamespace) -> Mapping[str, Any]:
    """The fields that speak of causes."""
    settings = {"top": run.top, "points": run.cause_points, "redraws": run.redraws, "seed": run.sampling_seed}
    found = causes.intervene(reader, material, own.hits, **settings)
    return {
        "separation": found.separation, "right": found.right, "cost": found.cost,
        "right_without": found.right_without, "redraw_set": found.sets, "chosen_share": found.chosen,
        "swap_cost": found.swap, "unsplit": found.unsplit,
    }  # fmt: skip
