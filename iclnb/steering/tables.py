"""Tables of chapter 04 and its appendix."""

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import Markdown

from iclnb.display import table
from iclnb.kernel_regression import effective_bandwidth, effective_number, gaussian_weights, narrowing
from iclnb.steering.estimates import over
from iclnb.steering.head_widths import Widths, permuted
from iclnb.steering.lexicon import Lexicon
from iclnb.steering.measures import Choices, calibration_error
from iclnb.steering.perturb import KINDS, TABLE_1, perturb
from iclnb.steering.study import Condition, Measured, Study


def widths(found: Widths, bandwidth: float, *, seed: int) -> Markdown:
    """How many demonstrations count, and how weights fall with distance: heads, null, kernel."""
    rows = []
    for strategy, weights in found.weights.items():
        distance = found.distance[strategy]
        sides = {"heads": weights, "heads, permuted": permuted(weights, seed=seed)}
        sides["kernel"] = gaussian_weights(distance, bandwidth)
        for name, each in sides.items():
            flat, apart = (part.reshape(-1, part.shape[-1]) for part in (each, distance))
            kish, bandwidth_of = float(effective_number(flat).mean()), effective_bandwidth(flat, apart)
            fall = float(narrowing(each, distance).mean())
            wide = "infinite" if np.isinf(bandwidth_of) else bandwidth_of
            rows.append((strategy, name, kish, wide, fall))
    header = ("shown", "weights of", "effective number", "effective bandwidth", "weighted - mean distance")
    return table(header, rows)


def contrasts(found: Mapping[str, tuple[Measured, Measured]], *, seed: int) -> Markdown:
    """One condition less another by three measures of the model's choices."""
    measures = ("of_truth", "correct", "centred_correct")
    rows = [
        (
            name,
            *(over(getattr(one.model, of) - getattr(other.model, of), seed=seed) for of in measures),
        )
        for name, (one, other) in found.items()
    ]
    return table(("contrast", "right word", "accuracy", "accuracy, median threshold"), rows)


def accuracy(found: Mapping[str, Measured]) -> Markdown:
    """Accuracy, expected calibration error and mass outside of the model; accuracy of kernel regression."""
    rows = [(name, *_line(model), float(kernel.correct.mean())) for name, (model, kernel) in found.items()]
    header = ("shown", "accuracy", "right word", "calibration error", "outside", "kernel: accuracy")
    return table(header, rows)


def _line(choices: Choices) -> tuple[float, float, float, float]:
    error = calibration_error(choices.probabilities.max(-1), choices.correct)
    return float(choices.correct.mean()), float(choices.of_truth.mean()), error, float(choices.outside.mean())


def bandwidths(study: Study, conditions: Mapping[str, Condition], candidates: Sequence[float]) -> Markdown:
    """Probability of the right label under kernel regression with other bandwidths."""
    rows = [
        (
            float(h),
            *(float(study.kernel_answers(each, bandwidth=h).of_truth.mean()) for each in conditions.values()),
        )
        for h in candidates
    ]
    return table(("bandwidth", *conditions), rows)


def perturbed(
    queries: Mapping[tuple[str, float], Measured],
    shown: Mapping[tuple[str, float], Measured],
    plain: Measured,
) -> Markdown:
    """Accuracy at full strength beside paper A's table 1."""
    rows = [("none", TABLE_1["none"], *2 * [float(each.correct.mean()) for each in plain])]
    for kind in KINDS:
        cells = [float(each.correct.mean()) for found in (queries, shown) for each in found[kind, 1.0]]
        rows.append((kind, TABLE_1.get(kind, "-"), *cells))
    header = ("perturbed", "paper A", "queries", "kernel", "demonstrations", "kernel")
    return table(header, rows)


def examples(text: str, lexicon: Lexicon, *, seed: int) -> Markdown:
    """One text under every kind of perturbation at full strength."""
    changed = [(kind, perturb(text, kind, 1.0, seed=seed, lexicon=lexicon)) for kind in KINDS]
    return table(("kind", "text"), [("none", text), *changed])
