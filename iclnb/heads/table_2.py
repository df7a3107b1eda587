"""Paper A's table 2: the model, its reconstruction by one head, and kernel regression on sentence encoders."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Float

from iclnb.errors import IclnbError
from iclnb.findings import Findings, variable
from iclnb.heads.material import Material, draw_material, loading, table_rows
from iclnb.heads.nulls import CONTROLS, controls
from iclnb.heads.reconstruction import CHOSEN, PRIORS, WHO, decide
from iclnb.kernel_regression import choose_bandwidth, gaussian_weights, kernel_regression
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.llm.loading import models
from iclnb.llm.loading.readers import load_reader
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import embedding_similarity

BANDWIDTHS: Final = np.geomspace(0.05, 3.0, 25)  # Candidates; embeddings of unit length are at most 2 apart
ENCODERS: Final = ("MiniLM", "BERT-NLI")  # The paper's all-MiniLM-L6-v2 and bert-base-nli-mean-tokens

COSINE, GAUSSIAN = "cosine", "Gaussian"
KERNELS: Final = (COSINE, GAUSSIAN)
METHODS: Final = (CHOSEN, *CONTROLS)


@dataclass(frozen=True, kw_only=True)
class Table2(Findings):
    """Table 2 of one model, under shared demonstrations. A task with fewer test points has gaps at the end."""

    coordinates: ClassVar = {
        "prior": PRIORS, "method": METHODS, "who": WHO, "encoder": ENCODERS, "kernel": KERNELS
    }  # fmt: skip

    tasks: str = variable("names of the tasks, separated by commas", unit="names")
    missing: str = variable("why the second encoder was not run, if so", unit="words")
    half: Float[np.ndarray, "task point"] = variable("the half of a test point, 0 or 1", unit="1")
    hits: Float[np.ndarray, "task prior method set point"] = variable(
        "whether the answer is the model's; mean over permutations", unit="1", bits=8
    )
    right: Float[np.ndarray, "task prior who set point"] = variable("whether the answer is right", unit="1")
    encoder_right: Float[np.ndarray, "task encoder kernel set point"] = variable(
        "whether kernel regression on a sentence encoder is right", unit="1"
    )

    @property
    def names(self) -> list[str]:
        """The tasks, in order."""
        return self.tasks.split(",")


def measure(run: SimpleNamespace) -> Table2:
    """The findings of appendix 03b. Raises IclnbError as :func:`iclnb.heads.material.table_rows`."""
    tables = table_rows(run)
    encoders, missing = _encoders(run.second_encoder)
    reader = load_reader(run.model, **loading(run))
    found = []
    for rows in tables:
        material = draw_material(reader.tokenizer, rows, run)
        found.append(_task(reader, material, encoders, run.permutations, run.sampling_seed))
    return Table2(
        tasks=",".join(rows.task.name for rows in tables),
        missing=missing,
        **{field: _stacked([one[field] for one in found]) for field in found[0]},
        origins={"model": reader.origin, "data": [one for rows in tables for one in rows.origins]},
    )


def _task(
    reader: Reader, material: Material, encoders: Sequence[str | None], permutations: int, seed: int
) -> dict[str, np.ndarray]:
    """The fields of one task."""
    truth = material.rows.truth
    weights = reader.kernel_weights(material.shared_prompts, material.wording, truth)
    decided = [decide(weights, material.half, prior_off=off) for off in (False, True)]
    hits = []
    for one in decided:
        rivals = controls(weights, one, permutations=permutations, seed=seed)
        hits.append([one.hit, *(rivals[name] for name in CONTROLS)])
    gaps = np.full((len(KERNELS), *weights.truth.shape), np.nan)
    judged = [
        gaps if one is None else encoder_answers(weights, material, one) == weights.truth for one in encoders
    ]
    return {
        "half": material.half,
        "hits": np.array(hits, dtype=float),
        "right": np.array([one.right for one in decided]),
        "encoder_right": np.array(judged),
    }


def encoder_answers(weights: KernelWeights, material: Material, encoder: str) -> np.ndarray:
    """By cosine, and by a Gaussian whose bandwidth the other half chose: a class each. (kernels, sets, points)"""
    cosine, half = material.similarity(embedding_similarity(encoder)), material.half
    distance, classes = np.sqrt(np.maximum(2 - 2 * cosine, 0)), weights.classes
    gaussian = np.zeros(cosine.shape)
    for side in (False, True):
        others = weights.take(half != side)
        k = cosine.shape[-1]
        apart = distance[:, half != side].reshape(-1, k), others.labels.reshape(-1, k), others.truth.ravel()
        best = choose_bandwidth(*apart, BANDWIDTHS, classes)
        gaussian[:, half == side] = gaussian_weights(distance[:, half == side], best.value)
    kernels = {COSINE: np.maximum(cosine, 0) + 1e-9, GAUSSIAN: gaussian}
    return np.stack([kernel_regression(kernels[k], weights.labels, classes).argmax(-1) for k in KERNELS])


def _encoders(second: str | None) -> tuple[list[str | None], str]:
    """What to load for each of :data:`ENCODERS`, and why the second is missing, if it is."""
    if second is None:
        return [models.ENCODER, None], "no second encoder was asked for"
    try:
        models.load_encoder(second)
    except IclnbError as error:
        return [models.ENCODER, None], str(error)
    return [models.ENCODER, second], ""


def _stacked(parts: Sequence[np.ndarray]) -> Float[np.ndarray, "task *rest point"]:
    """Arrays of all tasks, gaps where one has fewer test points."""
    most = max(part.shape[-1] for part in parts)
    padded = [np.pad(part.astype(float), [(0, 0)] * (part.ndim - 1) + [(0, most - part.shape[-1])],
                     constant_values=np.nan) for part in parts]  # fmt: skip
    return np.stack(padded)
