"""Paper A's table 2: the model, its reconstruction by one head, and kernel regression on encoders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from iclnb.errors import IclnbError
from iclnb.heads.material import Material, Weights, measure, split
from iclnb.heads.reconstruction import Agreement, agree, over
from iclnb.kernel_regression import choose_bandwidth, gaussian_weights, kernel_regression
from iclnb.llm import models
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import Compare, embedding_similarity
from iclnb.stats import Estimate

PAPER: Mapping[str, Mapping[str, float]] = {
    "sst2": {"accuracy": 0.805, "agreement": 0.797, "performance": 0.750, "MiniLM": 0.503, "BERT-NLI": 0.523},
    "mnli": {"accuracy": 0.383, "agreement": 0.597, "performance": 0.360, "MiniLM": 0.321, "BERT-NLI": 0.325},
    "rotten_tomatoes": {
        "accuracy": 0.671, "agreement": 0.683, "performance": 0.527, "MiniLM": 0.478, "BERT-NLI": 0.502
    },
    "tweet_eval_hate": {
        "accuracy": 0.539, "agreement": 0.713, "performance": 0.587, "MiniLM": 0.548, "BERT-NLI": 0.545
    },
    "tweet_eval_irony": {
        "accuracy": 0.519, "agreement": 0.722, "performance": 0.522, "MiniLM": 0.491, "BERT-NLI": 0.479
    },
    "tweet_eval_offensive": {
        "accuracy": 0.542, "agreement": 0.753, "performance": 0.513, "MiniLM": 0.588, "BERT-NLI": 0.597
    },
}  # fmt: skip
"""What paper A reports for GPT-J 6B (table 2), without intervals or controls."""

PAPER_BEST = {"shallowest": 0.57, "deepest": 0.75, "agreement": 0.892, "performance": 0.864}
"""Relative depths of paper A's best heads on SST-2, and the most that one reaches (figure 3, GPT-J 6B)."""

BANDWIDTHS = np.geomspace(0.05, 3.0, 25)
"""Candidates; embeddings of unit length are at most 2 apart."""

CHOSEN = "bandwidth chosen"


@dataclass(frozen=True)
class Row:
    """One task under one way to choose demonstrations.

    Attributes:
        task: its name.
        arm: ``shared`` (demonstration sets x test points) or ``fresh`` (a set for each prompt).
        prompts: evaluation prompts.
        estimates: method -> accuracy or agreement on the evaluation points, with its interval.
        encoder_hits: where kernel regression on an encoder is right. (*prompts)
        agreement: raw decisions.
        corrected: decisions with priors taken off.
        majority: share of the most frequent label among the evaluation points.
    """

    task: str
    arm: str
    prompts: int
    estimates: Mapping[str, Estimate]
    encoder_hits: Mapping[str, np.ndarray]
    agreement: Agreement
    corrected: Agreement
    majority: float

    @property
    def at_chance(self) -> bool:
        """Whether the model's accuracy is not above naming the most frequent label, priors on or off."""
        names = ("accuracy", "accuracy, prior off")
        return max(float(self.estimates[name].low) for name in names) <= self.majority

    def controls(self) -> dict[str, float]:
        """What has to be exceeded, by name."""
        return {
            "most frequent label": self.majority,
            "model's most frequent answer": self.agreement.modal,
            "chosen head, labels permuted (95 %)": self.agreement.permuted.quantile(),
            "the same, prior off": self.corrected.permuted.quantile(),
        }

    def best_encoder(self) -> str:
        """Kernel regression on the encoder that is right most often, its bandwidth chosen."""
        names = [name for name in self.estimates if name.endswith(CHOSEN)]
        return max(names, key=lambda name: float(self.estimates[name].value))

    def to_json(self) -> dict[str, object]:
        """What a record of the run keeps."""
        return {
            "task": self.task, "arm": self.arm, "prompts": self.prompts, "at_chance": self.at_chance,
            "estimates": {name: list(found) for name, found in self.estimates.items()},
            "controls": self.controls(),
            "head": self.agreement.head, "head, prior off": self.corrected.head,
        }  # fmt: skip


def row(
    task: str,
    found: KernelWeights,
    selecting: Bool[np.ndarray, " points"],
    cosines: Mapping[str, Float[np.ndarray, "*prompts k"]],
    *,
    permutations: int,
    seed: int,
) -> Row:
    """All of table 2 for one task.

    Args:
        task: its name.
        found: prompts (points, or sets x points).
        selecting: which test points choose head and bandwidth.
        cosines: for each sentence encoder the cosine of query and demonstration.
        permutations: size of the permutation nulls.
        seed: of nulls and intervals.
    """
    raw, corrected = (
        agree(found, selecting, corrected=off, permutations=permutations, seed=seed) for off in (False, True)
    )
    hits = {
        "accuracy": raw.accuracy, "accuracy, prior off": corrected.accuracy,
        "agreement": raw.best, "agreement, prior off": corrected.best,
        "performance": raw.performance, "performance, prior off": corrected.performance,
        **{f"{name} agrees": hits for name, hits in raw.rivals().items()},
    }  # fmt: skip
    encoder_hits = {
        f"{encoder}, {kernel}": (decided == raw.truth).astype(float)
        for encoder, cosine in cosines.items()
        for kernel, decided in _encoder(found, selecting, cosine).items()
    }
    return Row(
        task=task,
        arm="shared" if found.truth.ndim == 2 else "fresh",
        prompts=raw.truth.size,
        estimates={name: over(hit, seed=seed) for name, hit in (hits | encoder_hits).items()},
        encoder_hits=encoder_hits,
        agreement=raw,
        corrected=corrected,
        majority=float(np.bincount(raw.truth.ravel()).max() / raw.truth.size),
    )


def _encoder(
    found: KernelWeights, selecting: Bool[np.ndarray, " points"], cosine: Float[np.ndarray, "*prompts k"]
) -> dict[str, np.ndarray]:
    """Answers of kernel regression: K = cosine, and a Gaussian kernel whose bandwidth the selection chose."""
    k, classes = cosine.shape[-1], found.classes
    axis = cosine.ndim - 2
    own, other = (np.compress(keep, cosine, axis) for keep in (~selecting, selecting))
    parts = found.take(~selecting), found.take(selecting)
    distance = [np.sqrt(np.maximum(2 - 2 * part, 0)) for part in (own, other)]
    chosen = choose_bandwidth(
        distance[1].reshape(-1, k),
        parts[1].labels.reshape(-1, k),
        parts[1].truth.ravel(),
        BANDWIDTHS,
        classes,
    )
    weights = {
        "cosine": np.maximum(own, 0) + 1e-9,
        CHOSEN: gaussian_weights(distance[0], chosen.value),
    }
    decided = {name: kernel_regression(weight, parts[0].labels, classes) for name, weight in weights.items()}
    return {name: found.argmax(-1) for name, found in decided.items()}


def rows_of(
    task: str,
    material: Material,
    weights: Weights,
    encoders: Mapping[str, Compare],
    *,
    share: float,
    permutations: int,
    seed: int,
) -> list[Row]:
    """The rows of one task: shared demonstrations, and fresh ones where there are any.

    Args:
        task: its name.
        material: its prompts.
        weights: what was measured on them.
        encoders: similarities by the name of the encoder.
        share: of the test points, which choose.
        permutations, seed: as in :func:`row`; the seed also splits the test points.
    """
    arms = [(weights.shared, material.similarity), (weights.fresh, material.fresh_similarity)]
    return [
        row(
            task,
            found,
            split(found.truth.shape[-1], share, seed=seed),
            {name: similarity(compare) for name, compare in encoders.items()},
            permutations=permutations,
            seed=seed,
        )
        for found, similarity in arms
        if found is not None
    ]


def measure_tasks(
    reader: Reader,
    known: Mapping[str, tuple[Material, Weights]],
    names: Sequence[str],
    draw: Callable[[str], Material],
    encoders: Mapping[str, Compare],
    **settings: object,
) -> list[Row]:
    """The rows of several tasks, those that are known already and those that are read now.

    Args:
        reader: the model.
        known: task -> its prompts and what was measured on them.
        names: of all tasks, in order.
        draw: makes the prompts of another task.
        encoders: similarities by the name of the encoder.
        settings: ``share``, ``permutations`` and ``seed`` of :func:`rows_of`.
    """
    rows = []
    for name in names:
        if name in known:
            material, weights = known[name]
        else:
            material = draw(name)
            weights = measure(reader, material)
        rows += rows_of(name, material, weights, encoders, **settings)
    return rows


def load_encoders(second: str | None) -> tuple[dict[str, Compare], str]:
    """The sentence encoders of the table, by the paper's names.

    Args:
        second: folder or hub id of one beside MiniLM, or ``None``.

    Returns:
        Their similarities, and why the second is missing, if it is.
    """
    encoders = {"MiniLM": embedding_similarity()}
    if second is None:
        return encoders, ""
    try:
        models.load_encoder(second)
    except IclnbError as error:
        return encoders, str(error)
    return encoders | {"BERT-NLI": embedding_similarity(second)}, ""


def at_chance(rows: Sequence[Row]) -> dict[str, bool]:
    """Task -> whether the model is not shown to be above its most frequent label under any arm."""
    names = dict.fromkeys(row.task for row in rows)
    return {name: all(row.at_chance for row in rows if row.task == name) for name in names}
