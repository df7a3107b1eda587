"""The tables of chapter 01 and its appendices."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np
from IPython.display import Markdown

from iclnb import display
from iclnb.bayes import estimates, estimates_table_3
from iclnb.bayes.counterexample import ExactHMM
from iclnb.bayes.estimates_theorem import PRINTED, REPAIRS, worst_limit
from iclnb.bayes.findings import DESIGNS, Learning
from iclnb.bayes.hmm import Demonstrations, HMMMixture
from iclnb.bayes.kernels import KERNELS
from iclnb.bayes.learning import BAYES, FITTED, FOLLOWED, TUNED
from iclnb.bayes.measure_table_3 import READINGS, Table3
from iclnb.bayes.measure_theorem import LIMITS_OF, Limits
from iclnb.bayes.measure_transformer import Following
from iclnb.bayes.table_3 import DISTANCE


def posteriors(
    mixture: HMMMixture, demonstration: tuple, query: Sequence[int], ns: Iterable[int]
) -> Markdown:
    """P(first task) and P(y), given n copies of a demonstration and the query, by n."""
    repeated: dict[int, Demonstrations] = {n: [demonstration] * n for n in ns}
    rows = [
        [n, *(f"{p:.4f}" for p in (mixture.task_posterior(shown, query)[0], *mixture.predict(shown, query)))]
        for n, shown in repeated.items()
    ]
    header = ["n", "P(first task)", *(f"P(y = {o})" for o in range(mixture.observations))]
    return display.table(header, rows)


def kernel_list() -> Markdown:
    """Every kernel, and what it is."""
    return display.table(["kernel", "what it is"], KERNELS.items())


def _vector(entries: Iterable[Fraction | int]) -> str:
    return "(" + ", ".join(map(str, entries)) + ")"


def exact_limits(hmm: ExactHMM) -> Markdown:
    """Posterior and limit of the printed kernel in fractions, for every x_test that is unlike others."""
    rows = {}
    for x in hmm.sequences:
        truth, limit = hmm.truth(x), hmm.limit("printed", x)
        error = float(hmm.error("printed", x))
        rows.setdefault((truth, limit), [_vector(x), _vector(truth), _vector(limit), f"{error:.3f}"])
    return display.table(["x_test", "P(y, given x_test)", "limit of *printed*", "error"], rows.values())


def worst_cases(examples: Mapping[str, ExactHMM]) -> Markdown:
    """HMMs in fractions, with the x_test at which the printed kernel's limit is furthest from the truth."""
    rows = []
    for name, hmm in examples.items():
        error, x = worst_limit(hmm, "printed")
        matrices = (" ".join(map(_vector, matrix)) for matrix in (hmm.transition, hmm.emission))
        rows.append(
            [name, *matrices, _vector(hmm.limit("printed", x)), _vector(hmm.truth(x)), f"{float(error):.3g}"]
        )
    return display.table(["HMM", "T", "B", "limit", "truth", "error"], rows)


def two_tasks(hmm: ExactHMM, other: tuple) -> Markdown:
    """The two-task counterexample: what the theorem assumes and says, and what is so."""
    repaired = float(max(worst_limit(hmm, name)[0] for name in REPAIRS))
    rows = [
        ["share of the other task in the corpus", *2 * [min(map(float, hmm.pretrain))]],
        ["KL divergence between the tasks, the smaller of both ways, nats", *2 * [hmm.divergence(other)]],
        ["what assumption 2 asks of it: more than ln 2", *2 * [float(np.log(2))]],
        ["the theorem's bound η²ε, at most", *(float(hmm.bound_at_most(name)) for name in PRINTED)],
        ["limit error at the worst x_test", *(float(worst_limit(hmm, name)[0]) for name in PRINTED)],
        ["the same of both repairs", *2 * [repaired]],
    ]
    header = ["", "second moment", "covariance"]
    return display.table(header, [[display.Author(name), *values] for name, *values in rows])


def _count(numbers: Iterable[float]) -> str:
    """The median of numbers of demonstrations; some may be infinite."""
    middle = float(f"{np.median(list(numbers)):.2g}")
    return f"{middle:,.9g}" if np.isfinite(middle) else "never"


def halving(found: Learning) -> Markdown:
    """Demonstrations that halve the error of ignoring them, by learner and design, with those predicted."""
    rows = []
    for learner in (BAYES, FITTED, TUNED, *FOLLOWED):
        cells = []
        for design in range(len(DESIGNS)):
            cell = _count(estimates.halving(found, design, learner))
            if learner in (BAYES, *FOLLOWED):
                cell += f" ({_count(estimates.halving(found, design, learner, theory=True))})"
            cells.append(cell)
        rows.append([learner, *cells])
    return display.table(["learner", *DESIGNS], rows)


def limits(found: Limits) -> Markdown:
    """Errors of the limit, medians over HMMs."""
    rows = [
        [name, float(np.median(found.median[:, k])), float(np.median(found.worst[:, k]))]
        for k, name in enumerate(LIMITS_OF)
    ]
    return display.table(["kernel", "limit error, median $x$", "worst $x$"], rows)


def readings(found: Table3) -> Markdown:
    """Every reading of appendix C: the printed kernel beside the table, means over HMMs."""
    rows = [["table 3", None, DISTANCE[0], DISTANCE[-1], 0.0, None]]
    for place in estimates_table_3.ran(found):
        distance = estimates_table_3.of(found, "distance", place, "printed")
        ends = (float(distance[:, at].mean()) for at in (0, -1))
        gap, missed = float(estimates_table_3.gap(distance)), float(found.missing_mass[place].mean())
        rows.append([READINGS[place], float(found.sharpness[place]), *ends, gap, missed])
    header = ["reading", "scale or α", "distance, n = 1", "n = 128", "gap to the table", "missed"]
    return display.table(header, rows)


def constants(found: Table3, *, seed: int) -> Markdown:
    """c in distance = c (1 - accuracy), of the table and of the printed kernel by norm."""
    return display.table(["", "c"], estimates_table_3.constants(found, seed=seed).items())


def training(found: Following) -> Markdown:
    """Losses of the transformers in nats a label, means over trainings, by the size of the corpus."""
    curves = found.loss.mean(axis=1)
    rows = [
        [int(tasks), float(curve[0]), float(curve[-1]), float(bayes.mean())]
        for tasks, curve, bayes in zip(found.tasks, curves, found.entropy, strict=True)
    ]
    return display.table(["tasks", "loss, first twentieth", "last twentieth", "Bayes"], rows)
