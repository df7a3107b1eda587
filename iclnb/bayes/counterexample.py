"""Theorem 1 in exact arithmetic: two states, three observations, sequences of two tokens; one task or two."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product

Vector = tuple[Fraction, ...]
Matrix = tuple[Vector, ...]


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
    pretrain: Vector | None = (
        None  # distribution of the first state over all tasks; `None`: θ is the only one
    )

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

    def operator(self, x: tuple[int, ...]) -> Matrix:
        """T_x = Π_t diag(p_{x_t}) T."""
        return _operator(self, x)

    def joint(self, x: tuple[int, ...], start: Sequence[Fraction | int] | None = None) -> Vector:
        """P(x, y) for every y, from a distribution of the first state (default: of the task)."""
        return matmul(matmul((start or self.start,), self.operator(x)), self.emission)[0]

    def pretrain_probability(self, x: tuple[int, ...]) -> Fraction:
        """P(x | p_pretrain)."""
        return sum(self.joint(x, self.pretrain))

    def truth(self, x_test: tuple[int, ...]) -> Vector:
        """P(y | x_test): what the theorem says kernel regression approaches."""
        joint = self.joint(x_test)
        return tuple(p / sum(joint) for p in joint)

    def features(self, x: tuple[int, ...]) -> Vector:
        """φ(x) = vec(T_x)."""
        return tuple(entry for row in self.operator(x) for entry in row)

    def moment(self, power: int, start: Vector | None = None) -> Matrix:
        """Σ_x P(x)^power φ(x) φ(x)ᵀ over x of positive probability, under a start (default: p_pretrain).

        The power is 1 for Σ_p, 0 for Σ_0 and -1 for the moment of ψ = φ / P(x) under P.
        """
        start = start or self.pretrain
        size = len(self.start) ** 2
        total = [[Fraction(0)] * size for _ in range(size)]
        for x in self.sequences:
            probability, phi = sum(self.joint(x, start)), self.features(x)
            if probability:
                for i, j in product(range(size), repeat=2):
                    total[i][j] += probability**power * phi[i] * phi[j]
        return tuple(map(tuple, total))

    def covariance(self, start: Vector | None = None) -> Matrix:
        """Σ_p less the product of the mean of φ with itself: the second moment about the mean."""
        start, second = start or self.pretrain or self.start, self.moment(1, start)
        weighted = [(sum(self.joint(x, start)), self.features(x)) for x in self.sequences]
        mean = [sum(p * phi[i] for p, phi in weighted) for i in range(len(second))]
        return tuple(
            tuple(entry - a * b for entry, b in zip(row, mean, strict=True))
            for row, a in zip(second, mean, strict=True)
        )

    def limit(self, kernel: str, x_test: tuple[int, ...]) -> Vector:
        """ŷ as n → ∞: E[e(y) K(x_test, x)] / E[K(x_test, x)].

        ``kernel`` is ``printed``, ``centred``, ``unweighted`` (repair i) or ``ratio`` (repair ii).

        Raises ZeroDivisionError if the second moment is singular or E[K] is zero.
        """
        direction = solve(_inside(self, kernel), self.features(x_test))
        sums = [Fraction(0)] * len(self.emission[0])
        for x in self.sequences:
            joint = self.joint(x)
            if sum(joint):
                k = sum(a * b for a, b in zip(direction, self.features(x), strict=True))
                k = k / self.pretrain_probability(x) if kernel == "ratio" else k
                sums = [s + k * p for s, p in zip(sums, joint, strict=True)]
        return tuple(s / sum(sums) for s in sums)

    def bound_at_most(self, kernel: str = "printed") -> Fraction:
        """A number that theorem 1's bound η² ε_θ does not exceed, in fractions (``centred``: with covariances).

        η² is exact: the largest sum of squares of a T_x. ε_θ is an infimum over lengths, so it is no larger than
        at the length of x; and there the spectral radius of Σ_pretrain⁻¹ - Σ_{s_θ}⁻¹ is no larger than that
        matrix's largest sum of absolute values in a row.
        """
        moment = self.covariance if kernel == "centred" else lambda start: self.moment(1, start)
        inverses = [inverse(moment(start)) for start in (self.pretrain or self.start, self.start)]
        rows = zip(*inverses, strict=True)
        epsilon = max(sum(abs(a - b) for a, b in zip(*pair, strict=True)) for pair in rows)
        return max(sum(entry**2 for entry in self.features(x)) for x in self.sequences) * epsilon

    def divergence(self, start: Sequence[Fraction | int], reverse: bool = False) -> float:
        """KL(P(x | θ) ‖ P(x | start)) in nats, or the other way round; every x must be possible under both."""
        pairs = [(sum(self.joint(x)), sum(self.joint(x, start))) for x in self.sequences]
        return math.fsum(float(q if reverse else p) * math.log(q / p if reverse else p / q) for p, q in pairs)

    def error(self, kernel: str, x_test: tuple[int, ...]) -> Fraction:
        """L∞ distance of the limit to P(y | x_test, θ); theorem 1 says it is at most η² ε_θ."""
        pairs = zip(self.limit(kernel, x_test), self.truth(x_test), strict=True)
        return max(abs(a - b) for a, b in pairs)


@cache
def _operator(hmm: ExactHMM, x: tuple[int, ...]) -> Matrix:
    size = len(hmm.start)
    if not x:
        return tuple(tuple(Fraction(i == j) for j in range(size)) for i in range(size))
    emitted = (row[x[-1]] for row in hmm.emission)
    step = tuple(tuple(p * t for t in row) for p, row in zip(emitted, hmm.transition, strict=True))
    return matmul(_operator(hmm, x[:-1]), step)


@cache
def _inside(hmm: ExactHMM, kernel: str) -> Matrix:
    """What a kernel inverts."""
    if kernel == "centred":
        return hmm.covariance()
    return hmm.moment({"printed": 1, "unweighted": 0, "ratio": -1}[kernel])


def matmul(left: Sequence[Sequence[Fraction | int]], right: Matrix) -> Matrix:
    """The matrix product, exactly."""
    columns = tuple(zip(*right, strict=True))
    return tuple(tuple(sum(a * b for a, b in zip(row, c, strict=True)) for c in columns) for row in left)


def solve(matrix: Matrix, right: Vector) -> Vector:
    """The solution of a regular system, exactly (Gauss-Jordan). Raises ZeroDivisionError if it is singular."""
    size = len(matrix)
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for i in range(size):
        pivot = next((r for r in range(i, size) if rows[r][i]), i)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [entry / rows[i][i] for entry in rows[i]]
        for r in range(size):
            if r != i:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    return tuple(row[-1] for row in rows)


def inverse(matrix: Matrix) -> Matrix:
    """The inverse of a regular symmetric matrix, exactly."""
    identity = (tuple(Fraction(i == j) for j in range(len(matrix))) for i in range(len(matrix)))
    return tuple(solve(matrix, row) for row in identity)


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
