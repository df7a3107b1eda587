"""The tables of chapter 01 and its appendices."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np
from IPython.display import Markdown

from iclnb import display
from iclnb.bayes.counterexample import ExactHMM
from iclnb.bayes.crossing import BAYES
from iclnb.bayes.estimates import plateau, table_plateau
from iclnb.bayes.estimates_crossing import REPAIRED, Learned, every
from iclnb.bayes.estimates_theorem import LATE, REPAIRS, worst_limit
from iclnb.bayes.experiment import PAPER_ACCURACY, PAPER_DEMONSTRATIONS, PAPER_DISTANCE
from iclnb.bayes.hmm import Demonstrations, HMMMixture
from iclnb.bayes.kernels import KERNELS
from iclnb.bayes.study import Study, TheoremStudy
from iclnb.stats import exact

SHOWN = (1, 8, 32, 128)
"""Columns of table 3 that are shown."""


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


def _vector(entries: Iterable[Fraction]) -> str:
    return "(" + ", ".join(map(str, entries)) + ")"


def exact_limits(hmm: ExactHMM) -> Markdown:
    """Posterior and limit of the printed kernel in fractions, for every x_test that is unlike others."""
    rows = {}
    for x in hmm.sequences:
        truth, limit = hmm.truth(x), hmm.limit("printed", x)
        error = float(hmm.error("printed", x))
        rows.setdefault((truth, limit), [_vector(x), _vector(truth), _vector(limit), f"{error:.5f}"])
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
    error, x = worst_limit(hmm, "printed")
    rows = [
        ["share of the other task in the corpus", min(map(float, hmm.pretrain))],
        [
            "KL divergence of x between the tasks, at least (assumption 2)",
            float(hmm.divergence_at_least(other)),
        ],
        ["the theorem's bound η²ε, at most", float(hmm.bound_at_most())],
        [f"limit error of *printed* at x_test = {x}", float(error)],
        ["the same of both repairs", float(max(worst_limit(hmm, name)[0] for name in REPAIRS))],
    ]
    return display.table(["", "value"], [[display.Author(name), value] for name, value in rows])


def limits(small: TheoremStudy) -> Markdown:
    """Errors of the limit (medians over HMMs), and slopes of the error against n (means)."""
    rows = [
        [
            name,
            np.median(small.floor[name]),
            np.median(small.worst[name]),
            f"{small.slopes(name, 'to_limit', LATE).mean():.2f}",
            f"{small.slopes(name, 'to_posterior', LATE).mean():.2f}",
        ]
        for name in small.floor
    ]
    header = ["kernel", "limit error, median $x$", "worst $x$", "slope to own limit", "to the posterior"]
    return display.table(header, rows)


def distances(study: Study, *, seed: int) -> Markdown:
    """Mean L1 distance to the posterior by n, with its interval at the largest, and as n → ∞."""
    places = [study.ns.index(n) for n in SHOWN]
    rows = [["table 3", *(PAPER_DISTANCE[i] for i in places), None]]
    for name in study.kernels:
        estimate = study.estimate("distance", name, seed=seed)
        rows.append(
            [
                name,
                *(float(estimate.value[i]) for i in places[:-1]),
                estimate.at(places[-1]),
                study.limit(name).mean(),
            ]
        )
    return display.table(["kernel", *(f"n = {n}" for n in SHOWN), "n → ∞"], rows)


def accuracies(cases: Mapping[str, tuple[Study, str]]) -> Markdown:
    """How often the belief kernel's largest entry is right, by n: cases of a study and what counts as right.

    ``accuracy`` is agreement with the posterior's largest entry, ``answered`` with the answer that was drawn.
    """
    rows = [["table 3", *(PAPER_ACCURACY[PAPER_DEMONSTRATIONS.index(n)] for n in SHOWN)]]
    rows += [[name, *(study.mean(key, "belief", n) for n in SHOWN)] for name, (study, key) in cases.items()]
    return display.table(["belief agrees with", *(f"n = {n}" for n in SHOWN)], rows)


def noisy(study: Study) -> Markdown:
    """The second design at the largest n, and with infinitely many demonstrations."""
    n = study.ns[-1]
    rows = [
        [name, study.mean("distance", name, n), study.mean("median", name, n), study.limit(name).mean()]
        for name in study.kernels
    ]
    return display.table(["kernel", f"mean at n = {n}", f"median at n = {n}", "limit"], rows)


def _count(numbers: Iterable[float]) -> str:
    """The median of numbers of demonstrations; some may be infinite."""
    middle = float(np.median(list(numbers)))
    return f"{middle:.3g}" if np.isfinite(middle) else "never"


def learners(learned: Learned) -> Markdown:
    """When each learner does as well as ignoring demonstrations, and halves its error; medians over HMMs."""
    ones = every(learned)
    rows = [
        [
            name,
            _count(one.needed(name, 1.0) for one in ones),
            _count(one.needed(name) for one in ones),
            _count(one.needed_in_theory(name) for one in ones),
            0.0 if name == BAYES else np.median([one.end[name] / one.ignoring for one in ones]),
        ]
        for name in ones[0].errors
    ]
    header = ["learner", "n to do no worse", "n to halve the error", "predicted", "error left as n → ∞"]
    return display.table(header, rows)


def by_design(learned: Learned) -> Markdown:
    """Demonstrations that halve the error by design, beside what theory goes by; medians over HMMs."""
    rows = [
        [
            name,
            _count(one.needed_in_theory(BAYES) for one in group),
            _count(one.needed(BAYES) for one in group),
            _count(one.rank for one in group),
            _count(one.needed_in_theory(REPAIRED) for one in group),
            _count(one.needed(REPAIRED) for one in group),
        ]
        for name, group in learned.items()
    ]
    header = ["design", "log tasks / KL", "Bayes", "rank", "sharp law", "ratio kernel"]
    return display.table(header, rows)


def plateaus(study: Study, *, seed: int) -> Markdown:
    """Distances at n = 32 and 128 and their ratio, for kernels and for the drawn answer as the target."""
    cases = {name: (name, "distance", study.limit(name).mean()) for name in ("belief", "prediction")}
    cases["belief, to the drawn answer"] = ("belief", "to_answer", study.risk[:, -1].mean())
    rows = [
        [label, plateau(study, kernel, key=key, seed=seed).estimate, study.mean(key, kernel, 128), end]
        for label, (kernel, key, end) in cases.items()
    ]
    rows.append(["table 3", exact(table_plateau()), PAPER_DISTANCE[-1], None])
    return display.table(["", "d(128) / d(32)", "d(128)", "as n → ∞"], rows)


def readings(read: Mapping[str, Study], *, seed: int) -> Markdown:
    """The belief kernel under every reading of appendix C."""
    rows = [
        [
            name,
            study.mean("accuracy", "belief", 1),
            study.mean("distance", "belief", 8),
            study.mean("distance", "belief", 128),
            study.gap("belief", PAPER_DISTANCE, seed=seed),
            float(study.gap("belief", PAPER_DISTANCE, key="to_answer", seed=seed).value),
        ]
        for name, study in read.items()
    ]
    header = ["reading", "accuracy, n = 1", "distance, n = 8", "n = 128", "gap to table 3", "to the answer"]
    return display.table(header, rows)


def choices(varied: Mapping[str, tuple[str, Study]], *, seed: int) -> Markdown:
    """One kernel each, under another bandwidth or cut-off."""
    rows = [
        [
            label,
            float(study.gap(kernel, PAPER_DISTANCE, seed=seed).value),
            study.mean("median", kernel, 8),
            study.mean("negative", kernel, 8),
            study.limit(kernel).mean(),
        ]
        for label, (kernel, study) in varied.items()
    ]
    header = ["choice", "gap to table 3", "median at n = 8", "negative at n = 8", "limit"]
    return display.table(header, rows)
