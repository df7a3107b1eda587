"""The findings of appendix 01c: what transformers follow that were trained on corpora of 2 to 256 tasks.

Bayes, a kernel, or neither; on tasks of the corpus and on others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from iclnb.bayes import sequences, transformer
from iclnb.bayes.findings import stacked
from iclnb.bayes.hmm import HMMMixture
from iclnb.bayes.kernels import Kernels
from iclnb.bayes.learning import BAYES, IGNORING
from iclnb.bayes.material import CORPUS, Corpus
from iclnb.bayes.transformer import Shape
from iclnb.findings import Findings, variable
from iclnb.kernel_regression import kernel_regression
from iclnb.store import Store

EVERY_TASK, TRUTH = "Bayes over all tasks", "right answer"
KERNELS = ("printed", "ratio", "belief", "operator cosine", "prediction", "labels only")
REFERENCES = (BAYES, EVERY_TASK, IGNORING, *KERNELS, TRUTH)
"""What a prediction is held against: Bayes over the tasks of the corpus, over the distribution that they and
others come from, without demonstrations; regression by kernel; P(y | x_test, θ*)."""

ANSWERERS = ("trained", "random weights", BAYES)
SOURCES = ("tasks of the corpus", "other tasks")
DRAWN_TASKS = 2000  # So many tasks stand for their distribution in `EVERY_TASK`


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
        return follow(
            CORPUS, count, Shape(*shape), **size, **{name: (seed, i) for name, seed in seeds.items()}
        )

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


def follow(
    corpus: Corpus, tasks: int, shape: Shape, *, prompts: int, steps: int, batch: int,
    hmm_seed: Sequence[int], prompt_seed: Sequence[int], train_seed: Sequence[int],
    init_seed: Sequence[int],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Train a transformer on a corpus of so many tasks and read it on tasks of the corpus and on others.

    All sequences of the corpus are enumerated. Tasks of a smaller one are the first of a larger;
    ``prompt_seed`` also draws the others.

    Returns:
        One training's part of :class:`Following` by field: distances at n = 1, 2, 4, ... N.
    """
    x = sequences.every(corpus.design.observations, corpus.design.length)
    mixture = corpus.mixture(tasks, hmm_seed)
    kernels, n = Kernels(mixture, x), shape.demonstrations
    weights, loss = transformer.train(
        kernels.joint, x, shape, steps=steps, batch=batch, data_seed=train_seed, init_seed=init_seed
    )
    blind = transformer.random_weights((*init_seed, 1), shape, corpus.design.length, mixture.observations)
    rng = np.random.default_rng(prompt_seed)
    every = sequences.joint(mixture, x, corpus.starts(DRAWN_TASKS, rng))
    distances, entropy = [], 0.0
    for start in (mixture.start[rng.integers(tasks, size=prompts)], corpus.starts(prompts, rng)):
        shown = draw(mixture, start, x, n + 1, rng)
        held = references(kernels, every, start, *shown)
        place, y = shown
        logs = (transformer.forward_all(each, shape.heads, x[place], y[:, :-1]) for each in (weights, blind))
        asked = [2**i for i in range(n.bit_length())]
        answers = [np.exp(np.asarray(each, dtype=float))[:, asked].swapaxes(0, 1) for each in logs]
        apart = [np.abs(held - each).sum(axis=-1) for each in (*answers, held[0])]
        distances.append(np.minimum(apart, 2).mean(axis=-1))
        entropy = entropy or _entropy(kernels.joint, *shown)
    return {"distance": np.array(distances).swapaxes(0, 1), "loss": loss, "entropy": np.array(entropy)}


def draw(
    mixture: HMMMixture, start: Float[np.ndarray, "prompts states"], x: Int[np.ndarray, "sequences length"],
    pairs: int, rng: np.random.Generator,
) -> tuple[Int[np.ndarray, "prompts pairs"], Int[np.ndarray, "prompts pairs"]]:  # fmt: skip
    """Pairs of a sequence (its row in ``x``) and a label, each prompt from a task of its own start."""
    own = HMMMixture(np.full(len(start), 1 / len(start)), start, mixture.transition, mixture.emission)
    tokens = own.sample(np.repeat(np.arange(len(start)), pairs), x.shape[1] + 1, rng)
    place = sequences.find(tokens[:, :-1], x)
    return place.reshape(len(start), pairs), tokens[:, -1].reshape(len(start), pairs)


def posterior(
    joint: Float[np.ndarray, "sequences tasks labels"], x: Int[np.ndarray, "prompts pairs"],
    y: Int[np.ndarray, "prompts pairs"], n: int, shown: int,
) -> Float[np.ndarray, "prompts labels"]:  # fmt: skip
    """P(y | first ``shown`` demonstrations, query n), tasks equally likely; as :meth:`HMMMixture.predict`."""
    logs = np.log(joint[x[:, :shown], :, y[:, :shown]]).sum(axis=1)
    answers = np.einsum("pt,pto->po", np.exp(logs - logs.max(axis=1, keepdims=True)), joint[x[:, n]])
    return answers / answers.sum(axis=1, keepdims=True)


def references(
    kernels: Kernels, every: Float[np.ndarray, "sequences tasks labels"],
    start: Float[np.ndarray, "prompts states"], x: Int[np.ndarray, "prompts pairs"],
    y: Int[np.ndarray, "prompts pairs"],
) -> Float[np.ndarray, "references n prompts labels"]:  # fmt: skip
    """What each of :data:`REFERENCES` answers at n = 1, 2, 4, ...; the pair after n demonstrations is asked."""
    grams, right = (
        [kernels.gram(name) for name in KERNELS],
        sequences.joint(kernels.mixture, kernels.x, start),
    )
    found, prompts, labels = [], np.arange(len(x)), kernels.mixture.observations
    for n in (2**i for i in range((x.shape[1] - 1).bit_length())):
        truth = right[x[:, n], prompts]
        by_kernel = (kernel_regression(k[x[:, n, None], x[:, :n]], y[:, :n], labels) for k in grams)
        found.append(
            [
                posterior(kernels.joint, x, y, n, n), posterior(every, x, y, n, n),
                posterior(kernels.joint, x, y, n, 0), *by_kernel,
                truth / truth.sum(axis=1, keepdims=True),
            ]
        )  # fmt: skip
    return np.swapaxes(np.array(found), 0, 1)


def _entropy(joint: Float[np.ndarray, "sequences tasks labels"], x: np.ndarray, y: np.ndarray) -> float:
    """Mean loss of Bayes over queries with 0 to N demonstrations."""
    prompts = np.arange(len(x))
    return float(
        np.mean([-np.log(posterior(joint, x, y, n, n)[prompts, y[:, n]]).mean() for n in range(x.shape[1])])
    )
