"""What a small transformer does with demonstrations: Bayes, a kernel regression, or neither."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from iclnb.bayes import sequences, transformer
from iclnb.bayes.crossing import BAYES
from iclnb.bayes.experiment import posteriors
from iclnb.bayes.kernels import KERNELS, Kernels
from iclnb.bayes.material import Design, Prompts, draw_prompts
from iclnb.bayes.transformer import Shape, Weights
from iclnb.kernel_regression import kernel_regression

IGNORING = "demonstrations ignored"
LABELS_ONLY = "labels only"
REFERENCES = (BAYES, IGNORING, *KERNELS)
"""What a prediction is held against: the posterior, that without demonstrations, regression by kernel."""

SIMILARITIES = tuple(name for name in KERNELS if name != LABELS_ONLY)
"""Kernels that attention is held against; the last one is the same for all demonstrations."""


class Read(NamedTuple):
    """One transformer on the prompts of one HMM mixture.

    - ``distance``: mean L1 distance of its prediction to each of :data:`REFERENCES`, at every n
    - ``correlation``: Pearson correlation, over the demonstrations of a prompt, of a head's attention with
      each of :data:`SIMILARITIES`, mean over the first and the second half of the prompts; all N shown
    - ``regression``: distance to its prediction of the regression with a head's attention as the kernel, over
      that of label frequencies; by half
    """

    distance: Float[np.ndarray, "references n"]
    correlation: Float[np.ndarray, "2 heads kernels"]
    regression: Float[np.ndarray, "2 heads"]


class Following(NamedTuple):
    """Trained and random transformers on HMM mixtures, and how far Bayes is from the other references."""

    ns: tuple[int, ...]
    trained: list[Read]
    random: list[Read]
    """Of the same size, never trained."""
    again: list[Read]
    """Other random weights."""
    bayes: Float[np.ndarray, "hmms references n"]
    curve: Float[np.ndarray, "checkpoints hmms"]
    """Training loss, nats a label."""
    entropy: Float[np.ndarray, " hmms"]
    """Loss of Bayes on as many places, on the evaluation prompts."""


def follow(
    design: Design, shape: Shape, *, hmms: int, prompts: int, steps: int, batch: int,
    hmm_seed: int | Sequence[int], prompt_seed: int | Sequence[int], train_seed: int, init_seed: int,
) -> Following:  # fmt: skip
    """Train a transformer on each of several HMM mixtures and read it on fresh prompts.

    Args:
        design: of the HMMs; all of its sequences are enumerated.
        shape: size of the transformers.
        hmms: mixtures, each with initial weights and training prompts of its own: the units.
        prompts: fresh prompts for each mixture, half of them to choose heads and half to judge them.
        steps: training steps.
        batch: prompts a step.
        hmm_seed: of the mixtures.
        prompt_seed: of the fresh prompts.
        train_seed: of the training prompts.
        init_seed: of the initial weights.
    """
    x = sequences.every(design.observations, design.length)
    kernels = [Kernels(design.mixture((hmm_seed, i)), x) for i in range(hmms)]
    joints, seeds = [each.joint for each in kernels], {"data_seed": train_seed, "init_seed": init_seed}
    trained, curve = transformer.train(joints, x, shape, steps=steps, batch=batch, **seeds)
    size = shape, design.length, design.observations
    blind = [transformer.random_weights((init_seed, i, j), *size) for j in (1, 2) for i in range(hmms)]
    ns = tuple(2**i for i in range(20) if 2**i <= shape.demonstrations)
    reads, bayes, entropy = [], [], []
    for i in tqdm(range(hmms), desc="HMMs", disable=None):
        drawn = draw_prompts(
            kernels[i].mixture, prompts, shape.demonstrations, design.length, 1.0, (prompt_seed, i)
        )
        drawn = whole(drawn, x)
        own = Weights(*(part[i] for part in trained))
        held = references(kernels[i], drawn, ns)
        reads.append([read(each, shape.heads, kernels[i], drawn, held) for each in (own, *blind[i::hmms])])
        bayes.append(np.abs(held - held[0]).sum(axis=-1).mean(axis=-1))
        entropy.append(_entropy(kernels[i], drawn, shape.demonstrations))
    return Following(ns, *map(list, zip(*reads, strict=True)), np.array(bayes), curve, np.array(entropy))


def whole(drawn: Prompts, x: sequences.Sequences) -> Prompts:
    """The same prompts, each x as its row among all sequences."""
    place = sequences.find(drawn.known, x)
    return drawn._replace(known=x, x=place[drawn.x], query=place[drawn.query])


def asked(drawn: Prompts, n: int) -> Prompts:
    """The prompts cut to n demonstrations; the next one, if there is one, is the query."""
    if n == drawn.x.shape[1]:
        return drawn
    return drawn._replace(query=drawn.x[:, n], answer=drawn.y[:, n])


def references(
    kernels: Kernels, drawn: Prompts, ns: Sequence[int]
) -> Float[np.ndarray, "references n prompts observations"]:
    """What each of :data:`REFERENCES` answers, at every n."""
    found, observations = [], kernels.mixture.observations
    for n in ns:
        prompts = asked(drawn, n)
        exact = [posteriors(kernels.mixture, prompts, kernels.joint, count) for count in (n, 0)]
        by_kernel = (kernels.gram(name)[prompts.query[:, None], prompts.x[:, :n]] for name in KERNELS)
        exact += [kernel_regression(k, prompts.y[:, :n], observations) for k in by_kernel]
        found.append(exact)
    return np.swapaxes(np.array(found), 0, 1)


def predictions(
    weights: Weights, heads: int, drawn: Prompts
) -> tuple[Float[np.ndarray, "prompts N+1 observations"], Float[np.ndarray, "prompts heads N"]]:
    """P(y | i demonstrations) for every i, and how the last query attends, heads of all layers in a row."""
    x = drawn.known[np.concatenate([drawn.x, drawn.query[:, None]], axis=1)]
    logs, looks = transformer.forward_all(weights, heads, x, drawn.y)
    last = np.asarray(looks[:, :, :, -1], dtype=float)
    return np.exp(np.asarray(logs, dtype=float)), last.reshape(len(last), -1, last.shape[-1])


def read(
    weights: Weights,
    heads: int,
    kernels: Kernels,
    drawn: Prompts,
    held: Float[np.ndarray, "references n prompts observations"],
) -> Read:
    """One transformer against the references and the kernels."""
    answers, attention = predictions(weights, heads, drawn)
    ns = [2**i for i in range(held.shape[1])]
    apart = np.abs(held - answers[:, ns].swapaxes(0, 1)).sum(axis=-1).mean(axis=-1)
    similar = np.stack([kernels.gram(k)[drawn.query[:, None], drawn.x] for k in SIMILARITIES], axis=1)
    together = correlations(attention, similar)
    labels = np.eye(answers.shape[-1])[drawn.y]
    own = attention @ labels / attention.sum(axis=-1, keepdims=True)
    off, plain = (np.abs(each - answers[:, -1:]).sum(axis=-1) for each in (own, labels.mean(1)[:, None]))
    halves = np.array_split(np.arange(len(answers)), 2)
    return Read(
        apart,
        np.array([np.nanmean(together[half], axis=0) for half in halves]),
        np.array([off[half].mean(axis=0) / plain[half].mean() for half in halves]),
    )


def correlations(
    attention: Float[np.ndarray, "prompts heads N"], similar: Float[np.ndarray, "prompts kernels N"]
) -> Float[np.ndarray, "prompts heads kernels"]:
    """Pearson correlation over the demonstrations of each prompt; not a number where one side is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        units = [rows - rows.mean(axis=-1, keepdims=True) for rows in (attention, similar)]
        units = [rows / np.linalg.norm(rows, axis=-1, keepdims=True) for rows in units]
    return np.einsum("phn,pkn->phk", *units)


def _entropy(kernels: Kernels, drawn: Prompts, most: int) -> float:
    """Mean loss of Bayes over 0 to N demonstrations."""
    losses = []
    for n in range(most + 1):
        prompts = asked(drawn, n)
        answers = posteriors(kernels.mixture, prompts, kernels.joint, n)
        losses.append(-np.log(answers[np.arange(len(answers)), prompts.answer]).mean())
    return float(np.mean(losses))
