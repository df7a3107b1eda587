"""The findings of appendix 01c: transformers trained on corpora of 2 to 256 tasks, training by training."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from iclnb.bayes import following
from iclnb.bayes.findings import stacked
from iclnb.bayes.following import ANSWERERS, REFERENCES, SOURCES
from iclnb.bayes.material import CORPUS
from iclnb.bayes.transformer import Shape
from iclnb.findings import Findings, variable
from iclnb.store import Store


@dataclass(frozen=True, kw_only=True)
class Following(Findings):
    """How far answers are from Bayes, kernels and the right answer."""

    coordinates: ClassVar = {"answerer": ANSWERERS, "source": SOURCES, "reference": REFERENCES}

    distance: Float[np.ndarray, "corpus training answerer source reference n"] = variable(
        "mean L1 distance of an answer to a reference, one prompt counting at most 2", unit="1", bits=12
    )
    loss: Float[np.ndarray, "corpus training checkpoint"] = variable("while training", unit="nats")
    entropy: Float[np.ndarray, "corpus training"] = variable("loss of Bayes on fresh prompts", unit="nats")
    tasks: Int[np.ndarray, " corpus"] = variable("tasks of the corpus", unit="tasks")

    def of(self, answerer: str, source: str, reference: str) -> Float[np.ndarray, "corpus training n"]:
        """The distance of one answerer to one reference."""
        places = ANSWERERS.index(answerer), SOURCES.index(source), REFERENCES.index(reference)
        return self.distance[:, :, *places]


def measure(run: SimpleNamespace) -> Following:
    """Train and read a transformer for every size of corpus and every training seed, which draws all anew."""
    tasks, store = [int(word) for word in run.tasks.split()], Store.of_code("iclnb.bayes")
    shape = [run.layers, run.heads, run.width, run.demonstrations]
    size = {"prompts": run.prompts, "steps": run.steps, "batch": run.batch}
    seeds = {name: getattr(run, name) for name in ("hmm_seed", "prompt_seed", "train_seed", "init_seed")}

    def one(count: int, i: int) -> dict[str, np.ndarray]:
        own = {name: (seed, i) for name, seed in seeds.items()}
        found = following.follow(CORPUS, count, Shape(*shape), **size, **own)
        return {name: np.array(getattr(found, name), dtype=float) for name in found._fields}

    units = [(count, i) for count in tasks for i in range(run.trainings)]
    found = [
        store.kept(
            "following", [count, i, shape, size, seeds],
            lambda count=count, i=i: one(count, i), modules=[__name__],
        )
        for count, i in tqdm(units, desc="trainings", disable=None)
    ]  # fmt: skip
    arrays = stacked(found, (len(tasks), run.trainings), numbers=("entropy",))
    return Following(**arrays, tasks=np.array(tasks))
