"""Theorem 1 in exact arithmetic: one task, two states, three observations, sequences of two tokens."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

Vector = tuple[Fraction, ...]
Matrix = tuple[Vector, ...]


@dataclass(frozen=True)
class ExactHMM:
    """A hidden Markov model in rational numbers, with everything that theorem 1 is about.

    With a single task p_pretrain = s_θ, hence ε_θ = 0, and the posterior of the prompt is P(y | x_test, θ).

    Args:
        start: P(first state).
        transition: P(s' | s), rows.
        emission: P(o | s), rows.
        length: l = abs(x).

    Raises:
        ValueError: if a row does not sum to exactly one or has a negative entry.
    """

    start: Vector
    transition: Matrix
    emission: Matrix
    length: int

    def __post_init__(self) -> None:
        for name, rows in (
            ("start", (self.start,)),
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
        size = len(self.start)
        found: Matrix = tuple(tuple(Fraction(i == j) for j in range(size)) for i in range(size))
        for token in x:
            step = tuple(
                tuple(row[token] * t for t in self.transition[s]) for s, row in enumerate(self.emission)
            )
            found = matmul(found, step)
        return found

    def joint(self, x: tuple[int, ...]) -> Vector:
        """P(x, y) for every y."""
        return matmul(matmul((self.start,), self.operator(x)), self.emission)[0]

    def truth(self, x_test: tuple[int, ...]) -> Vector:
        """P(y | x_test): what the theorem says kernel regression approaches."""
        joint = self.joint(x_test)
        return tuple(p / sum(joint) for p in joint)

    def features(self, x: tuple[int, ...]) -> Vector:
        """φ(x) = vec(T_x)."""
        return tuple(entry for row in self.operator(x) for entry in row)

    def moment(self, power: int) -> Matrix:
        """Σ_x P(x)^power φ(x) φ(x)ᵀ over x of positive probability.

        The power is 1 for Σ_p, 0 for Σ_0 and -1 for the moment of ψ = φ / P(x) under P.
        """
        size = len(self.start) ** 2
        total = [[Fraction(0)] * size for _ in range(size)]
        for x in self.sequences:
            probability, phi = sum(self.joint(x)), self.features(x)
            if probability:
                for i, j in product(range(size), repeat=2):
                    total[i][j] += probability**power * phi[i] * phi[j]
        return tuple(map(tuple, total))

    def limit(self, kernel: str, x_test: tuple[int, ...]) -> Vector:
        """ŷ as n → ∞: E[e(y) K(x_test, x)] / E[K(x_test, x)].

        Args:
            kernel: ``printed``, ``unweighted`` (repair i) or ``ratio`` (repair ii).
            x_test: a sequence of positive probability.

        Raises:
            ZeroDivisionError: if the second moment is singular or E[K] is zero.
        """
        power = {"printed": 1, "unweighted": 0, "ratio": -1}[kernel]
        direction = solve(self.moment(power), self.features(x_test))
        sums = [Fraction(0)] * len(self.emission[0])
        for x in self.sequences:
            joint = self.joint(x)
            if sum(joint):
                k = sum(a * b for a, b in zip(direction, self.features(x), strict=True))
                k = k / sum(joint) if kernel == "ratio" else k
                sums = [s + k * p for s, p in zip(sums, joint, strict=True)]
        return tuple(s / sum(sums) for s in sums)

    def error(self, kernel: str, x_test: tuple[int, ...]) -> Fraction:
        """L∞ distance of the limit to the truth; theorem 1 with ε_θ = 0 says it is zero."""
        pairs = zip(self.limit(kernel, x_test), self.truth(x_test), strict=True)
        return max(abs(a - b) for a, b in pairs)


def matmul(left: Matrix, right: Matrix) -> Matrix:
    """The matrix product, exactly."""
    columns = tuple(zip(*right, strict=True))
    return tuple(tuple(sum(a * b for a, b in zip(row, c, strict=True)) for c in columns) for row in left)


def solve(matrix: Matrix, right: Vector) -> Vector:
    """The solution of a regular linear system by Gauss-Jordan elimination, exactly.

    Raises:
        ZeroDivisionError: if the matrix is singular.
    """
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
