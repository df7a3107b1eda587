"""Theorem 1 in exact arithmetic: two states, three observations, sequences of two tokens; one task or two."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
from jaxtyping import Shaped
from scipy import special

Vector = tuple[Fraction, ...]
Matrix = tuple[Vector, ...]
Exact = Shaped[np.ndarray, "..."]
"""Fractions as an array of objects: NumPy adds and multiplies them exactly."""


@dataclass(frozen=True)
class ExactHMM:
    """A hidden Markov model in rational numbers, with everything that theorem 1 is about.

    Demonstrations come from one task θ, and the posterior tends to P(y | x_test, θ) if the tasks can be told
    apart. With a single task p_pretrain = s_θ, and so ε_θ = 0.

    Raises ValueError if a row does not sum to exactly one or has a negative entry.
    """

    start: Vector  # P(first state | θ), for the task that the demonstrations come from
    transition: Matrix  # P(s' | s), rows
    emission: Matrix  # P(o | s), rows
    length: int  # l = abs(x)
    pretrain: Vector | None = None  # of the first state over all tasks; `None`: θ is the only one

    def __post_init__(self) -> None:
        for name, rows in (
            ("start", (self.start,)),
            ("pretrain", (self.pretrain or self.start,)),
            ("transition", self.transition),
            ("emission", self.emission),
        ):
            for row, entries in enumerate(rows):
                if sum(entries) != 1 or min(entries) < 0:
                    raise ValueError(f"{name}: row {row} is {entries}, expected probabilities that sum to 1")

    @property
    def sequences(self) -> list[tuple[int, ...]]:
        """All x of the length, also those of probability zero."""
        return list(product(range(len(self.emission[0])), repeat=self.length))

    def joint(self, x: tuple[int, ...], start: Sequence[Fraction | int] | None = None) -> Exact:
        """P(x, y) for every y, from a distribution of the first state (default: of the task)."""
        return np.array(start or self.start, object) @ _operator(self, x) @ np.array(self.emission, object)

    def truth(self, x_test: tuple[int, ...]) -> Vector:
        """P(y | x_test): what the theorem says kernel regression approaches."""
        joint = self.joint(x_test)
        return tuple(joint / sum(joint))

    def features(self, x: tuple[int, ...]) -> Exact:
        """φ(x) = vec(T_x)."""
        return _operator(self, x).ravel()

    def moment(self, power: int, start: Vector | None = None) -> Exact:
        """Σ_x P(x)^power φ(x) φ(x)ᵀ over x of positive probability, under a start (default: p_pretrain).

        The power is 1 for Σ_p, 0 for Σ_0 and -1 for the moment of ψ = φ / P(x) under P.
        """
        known = [(sum(self.joint(x, start or self.pretrain)), self.features(x)) for x in self.sequences]
        return sum(p**power * np.outer(phi, phi) for p, phi in known if p)

    def covariance(self, start: Vector | None = None) -> Exact:
        """Σ_p less the product of the mean of φ with itself: the second moment about the mean."""
        start = start or self.pretrain
        mean = sum(sum(self.joint(x, start)) * self.features(x) for x in self.sequences)
        return self.moment(1, start) - np.outer(mean, mean)

    def limit(self, kernel: str, x_test: tuple[int, ...]) -> Vector:
        """ŷ as n → ∞: E[e(y) K(x_test, x)] / E[K(x_test, x)].

        ``kernel`` is ``printed``, ``centred``, ``unweighted`` (repair i) or ``ratio`` (repair ii).

        Raises ZeroDivisionError if the second moment is singular or E[K] is zero.
        """
        direction = solve(_inside(self, kernel), self.features(x_test))
        sums = np.zeros(len(self.emission[0]), object)
        for x in self.sequences:
            joint = self.joint(x)
            if sum(joint):
                weight = sum(self.joint(x, self.pretrain)) if kernel == "ratio" else 1
                sums += direction @ self.features(x) / weight * joint
        return tuple(sums / sum(sums))

    def bound_at_most(self, kernel: str = "printed") -> Fraction:
        """A number that theorem 1's bound η² ε_θ does not exceed, in fractions (``centred``: with covariances).

        η² is exact: the largest sum of squares of a T_x. ε_θ is an infimum over lengths, so it is no larger than
        at the length of x; and there the spectral radius of Σ_pretrain⁻¹ - Σ_{s_θ}⁻¹ is no larger than that
        matrix's largest sum of absolute values in a row.
        """
        moment = self.covariance if kernel == "centred" else lambda start: self.moment(1, start)
        corpus, task = (
            solve(second, np.eye(len(second), dtype=int).astype(object))
            for second in (moment(self.pretrain or self.start), moment(self.start))
        )
        return max(sum(self.features(x) ** 2) for x in self.sequences) * max(abs(corpus - task).sum(1))

    def divergence(self, start: Sequence[Fraction | int]) -> float:
        """The smaller KL divergence, in nats, between P(x | θ) and P(x | start); no x may be impossible."""
        p, q = (np.array([sum(self.joint(x, s)) for x in self.sequences], float) for s in (None, start))
        return float(min(special.rel_entr(p, q).sum(), special.rel_entr(q, p).sum()))

    def error(self, kernel: str, x_test: tuple[int, ...]) -> Fraction:
        """L∞ distance of the limit to P(y | x_test, θ); theorem 1 says it is at most η² ε_θ."""
        pairs = zip(self.limit(kernel, x_test), self.truth(x_test), strict=True)
        return max(abs(a - b) for a, b in pairs)


@cache
def _operator(hmm: ExactHMM, x: tuple[int, ...]) -> Exact:
    """T_x = Π_t diag(p_{x_t}) T."""
    if not x:
        return np.eye(len(hmm.start), dtype=int).astype(object)
    emission, transition = (np.array(each, object) for each in (hmm.emission, hmm.transition))
    return _operator(hmm, x[:-1]) @ (emission[:, x[-1], None] * transition)


@cache
def _inside(hmm: ExactHMM, kernel: str) -> Exact:
    """What a kernel inverts."""
    if kernel == "centred":
        return hmm.covariance()
    return hmm.moment({"printed": 1, "unweighted": 0, "ratio": -1}[kernel])


def solve(matrix: Exact | Matrix, right: Exact | Vector) -> Exact:
    """The solution of a regular system for one or several right sides, exactly (Gauss-Jordan).

    Raises ZeroDivisionError if it is singular.
    """
    rows = np.column_stack([matrix, right]).astype(object)
    for i in range(len(rows)):
        pivot = next((r for r in range(i, len(rows)) if rows[r, i]), i)
        rows[[i, pivot]] = rows[[pivot, i]]
        rows[i] = rows[i] / Fraction(rows[i, i])
        others = np.arange(len(rows)) != i
        rows[others] -= np.outer(rows[others, i], rows[i])
    return rows[:, len(rows) :].reshape(np.shape(right))


def _rows(denominator: int, *rows: tuple[int, ...]) -> Matrix:
    return tuple(tuple(Fraction(entry, denominator) for entry in row) for row in rows)


THIRDS = ExactHMM(
    _rows(1, (1, 0))[0], _rows(3, (1, 2), (2, 1)), _rows(3, (2, 0, 1), (2, 1, 0)), length=2
)  # fmt: skip
"""The largest error among all such HMMs whose probabilities are multiples of 1/3."""

POSITIVE = ExactHMM(
    _rows(1, (1, 0))[0], _rows(10, (3, 7), (7, 3)), _rows(10, (7, 1, 2), (7, 2, 1)), length=2
)  # fmt: skip
"""The same shape with no probability of zero, so that zeros are not to blame."""

TWO_TASKS = ExactHMM(
    _rows(1, (1, 0))[0], _rows(5, (4, 1), (1, 4)), _rows(10, (6, 3, 1), (1, 5, 4)), length=2,
    pretrain=_rows(100_000, (99_999, 1))[0],
)  # fmt: skip
"""Two tasks, one for each start state; the other one than θ makes up 1/100,000 of the corpus."""
