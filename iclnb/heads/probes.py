"""Where features of demonstrations can be read off linearly: ridge probes (paper A, section 5.4).

If a head is a kernel, the keys near a label y_i must say what its text x_i predicts, and the values which
label it is. A probe that finds this may owe it to its own capacity; beside each stands the same probe trained
on shuffled labels (Hewitt & Liang, "Designing and interpreting probes with control tasks", 2019).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import Ridge

from iclnb import stats
from iclnb.errors import IclnbError
from iclnb.llm.attention import SharedPrefix
from iclnb.llm.prompts import Prompt
from iclnb.llm.reader import Reader
from iclnb.stats import Estimate

OFFSETS = (-1, 0, 1, 2, 3)
"""Positions that are probed, relative to the first token of the label word y_i (paper A, section 5.4)."""

RIDGE = 0.01
"""The paper's λ, on vectors as they are (not standardised), with an unpenalised intercept."""


@dataclass(frozen=True)
class Features:
    """Keys and values around the labels of all demonstrations of several demonstration sets.

    Attributes:
        keys, values: at each of :data:`OFFSETS`; zero where not ``present``.
        present: whether the prefix reaches as far as the position (behind the last label it may not).
        sets: demonstration set of each demonstration, from 0.
        texts: a number for each different text x_i.
        labels: y_i.
    """

    keys: Float[np.ndarray, "layers kv_heads positions demonstrations dim"]
    values: Float[np.ndarray, "layers kv_heads positions demonstrations dim"]
    present: Bool[np.ndarray, "positions demonstrations"]
    sets: Int[np.ndarray, " demonstrations"]
    texts: Int[np.ndarray, " demonstrations"]
    labels: Int[np.ndarray, " demonstrations"]


def cut(prefixes: Iterable[tuple[SharedPrefix, Prompt]]) -> Features:
    """Cut keys and values around the labels out of demonstration sets, one set in memory at a time.

    Args:
        prefixes: for each demonstration set what the model remembers of it
            (:meth:`iclnb.llm.reader.Reader.remember`), and a prompt that begins with it; a generator
            will do.

    Raises:
        ValueError: without demonstrations, or if a label lies outside its prefix.
    """
    parts: dict[str, list[np.ndarray]] = {"keys": [], "values": [], "present": []}
    sets, labels, texts = [], [], []
    for number, (prefix, prompt) in enumerate(prefixes):
        tokens = len(prefix.input_ids)
        where = np.array([[y.start + offset for y in prompt.y] for offset in OFFSETS])
        if not prompt.y or where[OFFSETS.index(0)].max() >= tokens:
            raise ValueError(f"expected demonstrations with labels inside the {tokens} tokens of the prefix")
        present = (where >= 0) & (where < tokens)
        parts["present"].append(present)
        for name, layers in (("keys", prefix.keys), ("values", prefix.values)):
            cut = [layer[:, np.where(present, where, 0)].float().cpu().numpy() for layer in layers]
            parts[name].append(np.stack(cut) * present[..., None].astype(np.float32))
        sets += [number] * len(prompt.y)
        labels += prompt.labels
        texts += [prompt.input_ids[x.start : x.stop] for x in prompt.x]
    if not sets:
        raise ValueError("probes need at least one demonstration set")
    numbers = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return Features(
        keys=np.concatenate(parts["keys"], axis=3),
        values=np.concatenate(parts["values"], axis=3),
        present=np.concatenate(parts["present"], axis=1),
        sets=np.array(sets),
        texts=np.array([numbers[text] for text in texts]),
        labels=np.array(labels),
    )


@dataclass(frozen=True)
class Probed:
    """How often probes are right about the demonstrations of sets that they were not trained on.

    Attributes:
        accuracy: of the probe at each layer, key-value head and one of :data:`OFFSETS`, by set.
        control: of probes trained and tested on shuffled labels, for each shuffle. The maximum over heads of
            its mean over sets is the null distribution of the best probe.
        majority: of always saying the most frequent class of the training sets.
        classes: number of different targets.
    """

    accuracy: Float[np.ndarray, "sets layers kv_heads positions"]
    control: Float[np.ndarray, "shuffles sets layers kv_heads positions"]
    majority: Float[np.ndarray, "sets positions"]
    classes: int

    def selectivity(self, *, seed: int) -> Estimate:
        """Accuracy minus the control's, (layers, kv_heads, positions), with intervals over sets."""
        return stats.interval(self.accuracy - self.control.mean(0), seed=seed)


def probe(
    vectors: Float[np.ndarray, "layers kv_heads positions demonstrations dim"],
    features: Features,
    targets: Int[np.ndarray, " demonstrations"],
    *,
    folds: int = 5,
    shuffles: int = 10,
    seed: int,
) -> Probed:
    """Ridge regression from vectors to one-hot targets; its answer is the class with the highest value.

    Demonstration sets are held out in ``folds`` parts. From the training sets every demonstration is left out
    whose text also stands in a held-out set. A class that does not occur in the training sets cannot be
    answered and counts as wrong, for the probe as for its controls.

    Args:
        vectors: ``features.keys`` or ``features.values``.
        features: says which demonstrations there are.
        targets: ``features.labels``, or argmax_o P(o | x_i) of the texts run alone.
        folds: parts; at most the number of sets.
        shuffles: controls, each with the targets permuted over all demonstrations.
        seed: seeds the permutations.

    Raises:
        IclnbError: with fewer than two demonstration sets, or if nothing is left to train on.
    """
    sets, rng = int(features.sets.max()) + 1, np.random.default_rng(seed)
    if sets < 2:
        raise IclnbError("probes are judged on held-out demonstration sets; draw at least two")
    names, classes = np.unique(targets, return_inverse=True)
    columns = np.stack([classes, *(rng.permutation(classes) for _ in range(shuffles))])
    layers, kv_heads, positions, demonstrations, _ = vectors.shape
    right = np.zeros((1 + shuffles, layers, kv_heads, positions, demonstrations), dtype=bool)
    majority = np.zeros((positions, demonstrations), dtype=bool)
    for fold in range(min(folds, sets)):
        held = features.sets % min(folds, sets) == fold
        seen = ~held & ~np.isin(features.texts, features.texts[held])
        for position, present in enumerate(features.present):
            train, test = np.flatnonzero(seen & present), np.flatnonzero(held & present)
            if len(train) == 0:
                raise IclnbError("every text stands in a held-out set too; draw more or other demonstrations")
            for layer in range(layers):
                x = vectors[layer, :, position].astype(float)
                said = _answers(x[:, train], columns[:, train], x[:, test], len(names))
                right[:, layer, :, position, test] = said.transpose(2, 0, 1) == columns.T[test][..., None]
            usual = np.bincount(classes[train]).argmax()
            majority[position, test] = classes[test] == usual
    by_set = [_means(part, features, sets) for part in (right, majority)]
    return Probed(by_set[0][:, 0], by_set[0][:, 1:].swapaxes(0, 1), by_set[1], len(names))


class KeysAndValues(NamedTuple):
    """Probes of what each text predicts in the keys, and of each label in the values."""

    keys: Probed
    values: Probed


def keys_and_values(
    reader: Reader, prompts: Iterable[Prompt], predicted: Int[np.ndarray, " demonstrations"], *, seed: int
) -> KeysAndValues:
    """Probe a model's keys and values around the labels of demonstration sets (section 5.4).

    Args:
        reader: the model.
        prompts: one for each demonstration set.
        predicted: what every text x_i predicts (:func:`predicted_tokens`).
        seed: of the shuffled targets.
    """
    found = cut((reader.remember(prompt), prompt) for prompt in prompts)
    keys = probe(found.keys, found, predicted, seed=seed)
    return KeysAndValues(keys, probe(found.values, found, found.labels, seed=seed))


def predicted_tokens(reader: Reader, texts: Sequence[str]) -> Int[np.ndarray, " texts"]:
    """argmax_o P(o | x) of each text run alone."""
    unique = list(dict.fromkeys(texts))
    likeliest = reader.next_token_probabilities(unique).argmax(1)
    by_text = dict(zip(unique, likeliest, strict=True))
    return np.array([by_text[text] for text in texts])


def _answers(
    train: Float[np.ndarray, "kv_heads train dim"],
    classes: Int[np.ndarray, "targets train"],
    test: Float[np.ndarray, "kv_heads test dim"],
    count: int,
) -> Int[np.ndarray, "targets kv_heads test"]:
    """Answers of ridge regressions on the same vectors for several targets: one fit for each head."""
    one_hot = np.eye(count)[classes].transpose(1, 0, 2).reshape(classes.shape[1], -1)
    ridge = Ridge(alpha=RIDGE, solver="cholesky")
    scores = [ridge.fit(known, one_hot).predict(unknown) for known, unknown in zip(train, test, strict=True)]
    return np.reshape(scores, (*test.shape[:2], len(classes), count)).argmax(-1).transpose(2, 0, 1)


def _means(
    right: Bool[np.ndarray, "*columns positions demonstrations"], features: Features, sets: int
) -> Float[np.ndarray, "sets *columns positions"]:
    """The share of right answers among each set's demonstrations that are present."""
    shares = []
    for number in range(sets):
        own = features.present & (features.sets == number)
        shares.append((right & own).sum(-1) / np.maximum(own.sum(-1), 1))
    return np.stack(shares)
