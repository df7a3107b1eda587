"""What chapter 01 measures: how fast tasks of a corpus, and others, are learned from demonstrations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from iclnb.bayes.learning import LEARNERS
from iclnb.bayes.material import SHARES, learning_designs
from iclnb.findings import Findings, variable

DESIGNS = tuple(learning_designs())


@dataclass(frozen=True, kw_only=True)
class Learning(Findings):
    """Errors of every learner against the number of demonstrations, measured and predicted.

    ``share`` says how much of the start of the task that is shown is held out of the corpus.
    """

    coordinates: ClassVar = {"design": DESIGNS, "share": SHARES, "learner": LEARNERS}

    error: Float[np.ndarray, "design hmm share learner n"] = variable(
        "mean L1 distance to the right answer, one answer counting at most 2", unit="1", bits=12
    )
    predicted: Float[np.ndarray, "design hmm share learner n"] = variable(
        "the same by theory; not a number where it is silent", unit="1", bits=12
    )
    limit: Float[np.ndarray, "design hmm share learner"] = variable("the same as n grows, exactly", unit="1")
    divergence: Float[np.ndarray, "design hmm share"] = variable(
        "KL divergence of the demonstrations from the tasks of the corpus but the nearest, mean", unit="nats"
    )
    rank: Int[np.ndarray, "design hmm"] = variable("of the second moment of repair (ii)", unit="dimensions")
    ns: Int[np.ndarray, " n"] = variable("numbers of demonstrations", unit="demonstrations")

    def of(self, design: int, learner: str, share: int = 0) -> Float[np.ndarray, "hmm n"]:
        """The error of a learner by HMM and n; by default on a task of the corpus."""
        return self.error[design, :, share, LEARNERS.index(learner)]

    def theory(self, design: int, learner: str, share: int = 0) -> Float[np.ndarray, "hmm n"]:
        """The predicted error, as :meth:`of`."""
        return self.predicted[design, :, share, LEARNERS.index(learner)]

    def end(self, design: int, learner: str, share: int = 0) -> Float[np.ndarray, " hmm"]:
        """The error that remains, as :meth:`of`."""
        return self.limit[design, :, share, LEARNERS.index(learner)]


def stacked(
    units: Sequence[Mapping[str, np.ndarray]], shape: tuple[int, ...], numbers: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Arrays of units of work in one array each, ``shape`` in front; ``numbers`` are one number in each unit."""
    return {
        name: np.reshape([unit[name] for unit in units], shape + (() if name in numbers else array.shape))
        for name, array in units[0].items()
    }
