"""Tables of chapter 04 and its appendix."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from IPython.display import Markdown

from iclnb.display import table
from iclnb.kernel_regression import effective_bandwidth, effective_number, gaussian_weights, narrowing
from iclnb.steering import estimates_order
from iclnb.steering.calibration import METHODS, RAW, Ordered
from iclnb.steering.estimates import is_at_chance, over
from iclnb.steering.head_widths import Widths, permuted
from iclnb.steering.lexicon import Lexicon
from iclnb.steering.measures import Choices, calibration_error
from iclnb.steering.perturb import KINDS, TABLE_1, perturb
from iclnb.steering.retrieval import Retrieved, commonest_row, own_label
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


def shown_as(key: Retrieved) -> str:
    """A way to choose demonstrations, in words."""
    return f"{key.name}{'' if key.balanced else ', labels as they fall'}"


def retrieval(
    shown: Mapping[Retrieved, Condition], found: Mapping[Retrieved, Measured], *, seed: int
) -> Markdown:
    """What each strategy shows, and how often model and kernel regression are right and agree."""
    rows = []
    for key, (model, kernel) in found.items():
        demonstrations, truth = shown[key].shown, model.truths
        says = commonest_row(demonstrations), own_label(demonstrations, truth)
        agree = float((model.chosen == kernel.chosen).mean())
        rows.append(
            (shown_as(key), *says, over(model.correct, seed=seed), float(kernel.correct.mean()), agree)
        )
    header = ("shown", "commonest row", "query's label", "model right", "kernel right", "same answer")
    return table(header, rows)


def calibrated(found: Ordered, *, seed: int) -> Markdown:
    """Accuracy and how often the order changes the answer, before and after each calibration."""
    rows = []
    for method in (RAW, *METHODS):
        of = (estimates_order.value(found, each, method, seed=seed) for each in _ORDER)
        rows.append((method, *of))
    header = ("calibration", "accuracy", "orders answered differently", "pull of the last label (nats)")
    return table(header, rows)


_ORDER = (estimates_order.accuracy, estimates_order.flips, estimates_order.last_label)


def accuracy(found: Mapping[str, Measured]) -> Markdown:
    """Accuracy, expected calibration error and mass outside of the model; accuracy of kernel regression."""
    rows = [(name, *_line(model), float(kernel.correct.mean())) for name, (model, kernel) in found.items()]
    header = ("shown", "accuracy", "right word", "calibration error", "outside", "kernel: accuracy")
    return table(header, rows)


def _line(choices: Choices) -> tuple[float, float, float, float]:
    error = calibration_error(choices.probabilities.max(-1), choices.correct)
    return float(choices.correct.mean()), float(choices.of_truth.mean()), error, float(choices.outside.mean())


def bandwidths(study: Study, conditions: Mapping[str, Condition], candidates: Sequence[float]) -> Markdown:
    """Accuracy of kernel regression with other bandwidths, and with the cosine itself as the kernel."""
    rows = []
    for h in candidates:
        found = [study.kernel_answers(each, bandwidth=h) for each in conditions.values()]
        rows.append((float(h), *(float(each.correct.mean()) for each in found)))
    cosines = [1 - np.square(study.distances(each)) / 2 for each in conditions.values()]
    shown = [replace(each, similarity=c) for each, c in zip(conditions.values(), cosines, strict=True)]
    rows.append(("cosine itself", *(float(study.kernel_answers(each).correct.mean()) for each in shown)))
    return table(("bandwidth", *conditions), rows)


def table_1(found: Mapping[tuple[str, float], Measured], plain: Measured, *, seed: int) -> Markdown:
    """Accuracy at full strength beside paper A's table 1, and whether the model still solves the task."""
    rows = []
    for kind, each in {"none": plain, **{kind: found[kind, 1.0] for kind in KINDS}}.items():
        solves = "at chance" if is_at_chance(each.model, seed=seed) else "yes"
        right = over(each.model.correct, seed=seed)
        rows.append((kind, TABLE_1.get(kind, "-"), right, solves, float(each.kernel.correct.mean())))
    return table(("perturbed", "paper A", "accuracy", "above chance", "kernel"), rows)


def examples(text: str, lexicon: Lexicon, *, seed: int) -> Markdown:
    """One text under every kind of perturbation at full strength."""
    changed = [(kind, perturb(text, kind, 1.0, seed=seed, lexicon=lexicon)) for kind in KINDS]
    return table(("kind", "text"), [("none", text), *changed])
