"""What chapter 03 measures of one model in one task."""

from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from iclnb.heads import causes, correlation
from iclnb.heads.correlation import WAYS
from iclnb.heads.findings import COMPARED, READINGS, WITH_CUE, Heads
from iclnb.heads.material import Material, draw_material, draw_rows, loading
from iclnb.heads.nulls import CONTROLS, controls
from iclnb.heads.reconstruction import Decisions, best_of_layers, decide
from iclnb.llm.kernel_weights import VARIANTS, KernelWeights
from iclnb.llm.loading.readers import load_reader
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import bm25, embedding_similarity, prediction_similarity

BLOCKS = 10  # Groups of test points; half of them measure agreement, the others correlation


def measure(run: SimpleNamespace) -> Heads:
    """The findings of chapter 03. Raises IclnbError as :func:`iclnb.heads.material.draw_rows`."""
    rows, where = draw_rows(run), loading(run)
    reader = load_reader(run.model, **where)
    blank = load_reader(run.model, random_weights_seed=run.model_seed, **where)
    material = draw_material(reader.tokenizer, rows, run)
    return heads_of(reader, blank, material, run)


def heads_of(reader: Reader, blank: Reader, material: Material, run: SimpleNamespace) -> Heads:
    """The findings of a model and of one with random weights on given prompts; ``run`` as in :func:`measure`."""
    truth, weigh = material.rows.truth, partial(reader.kernel_weights, wording=material.wording)
    shared = weigh(material.shared_prompts, truth=truth[: material.points], variants=VARIANTS)
    fresh = weigh(material.fresh_prompts, truth=truth[: len(material.fresh_prompts)])
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
        **causes.intervene(reader, material, own.hits, run),
        origins={"model": reader.origin, "control": blank.origin, "data": material.rows.origins},
    )


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
