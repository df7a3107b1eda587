"""Paper A's table 2: the model, its reconstruction by one head, and kernel regression on encoders."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from iclnb.heads.agreement import Agreement, agree, interval
from iclnb.heads.kernel import Weighed
from iclnb.kernel_regression import choose_bandwidth, gaussian_weights, kernel_regression
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

_BANDWIDTHS = np.geomspace(0.05, 3.0, 25)


@dataclass(frozen=True)
class Row:
    """One task under one way to choose demonstrations.

    Attributes:
        task: its name.
        arm: ``shared`` (demonstration sets x test points) or ``fresh`` (sets of their own).
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


def row(
    task: str,
    found: Weighed,
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
        estimates={name: interval(hit, seed=seed) for name, hit in (hits | encoder_hits).items()},
        encoder_hits=encoder_hits,
        agreement=raw,
        corrected=corrected,
        majority=float(np.bincount(raw.truth.ravel()).max() / raw.truth.size),
    )


def _encoder(
    found: Weighed, selecting: Bool[np.ndarray, " points"], cosine: Float[np.ndarray, "*prompts k"]
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
        _BANDWIDTHS,
        classes,
    )
    weights = {
        "cosine": np.maximum(own, 0) + 1e-9,
        "bandwidth chosen": gaussian_weights(distance[0], chosen.value),
    }
    decided = {name: kernel_regression(weight, parts[0].labels, classes) for name, weight in weights.items()}
    return {name: found.argmax(-1) for name, found in decided.items()}


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table: methods down, tasks across, the paper's number behind each that it has."""
    names = list(dict.fromkeys(name for row in rows for name in row.estimates))
    lines = [_line("", (f"{row.task} ({row.arm})" for row in rows)), "|---" * (len(rows) + 1) + "|"]
    lines.append(_line("evaluation prompts", (str(row.prompts) for row in rows)))
    lines += [_line(name, (_cell(row, name) for row in rows)) for name in names]
    for title, value in _CONTROLS.items():
        lines.append(_line(f"*{title}*", (f"{value(row):.3f}" for row in rows)))
    return "\n".join(lines)


_CONTROLS: Mapping[str, Callable[[Row], float]] = {
    "most frequent label": lambda row: row.majority,
    "model's most frequent answer": lambda row: row.agreement.modal,
    "best head, labels permuted (95 %)": lambda row: np.quantile(row.agreement.permuted, 0.95),
    "the same, prior off": lambda row: np.quantile(row.corrected.permuted, 0.95),
}


def _line(name: str, cells: Iterable[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


def _paper_name(name: str) -> str:
    """The paper's name of a method: its kernel on encoders is not said, so both of ours stand beside it."""
    return name.split(", ")[0] if name.startswith(("MiniLM", "BERT-NLI")) else name


def _cell(row: Row, name: str) -> str:
    found, paper = row.estimates.get(name), PAPER.get(row.task, {}).get(_paper_name(name))
    if found is None:
        return ""
    beside = "" if paper is None else f" ({paper:.3f})"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]{beside}"


def to_json(row: Row) -> dict[str, object]:
    """What a record of the run keeps of a row."""
    return {
        "task": row.task, "arm": row.arm, "prompts": row.prompts, "at_chance": row.at_chance,
        "estimates": {name: list(found) for name, found in row.estimates.items()},
        "controls": {name: float(value(row)) for name, value in _CONTROLS.items()},
        "head": row.agreement.head, "head, prior off": row.corrected.head,
    }  # fmt: skip
