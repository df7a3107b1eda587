"""Where features of demonstrations can be read off linearly: ridge probes (paper A, section 5.4).

If a head is a kernel, the keys near a label y_i must say what its text x_i predicts, and the values which
label it is. A probe that finds this may owe it to its own capacity; beside each stands the same probe trained
on shuffled labels (Hewitt & Liang, "Designing and interpreting probes with control tasks", 2019).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import Ridge

from iclnb.errors import IclnbError
from iclnb.findings import Findings, variable
from iclnb.heads.material import loading, probe_prompts, probe_rows
from iclnb.llm.attention import SharedPrefix
from iclnb.llm.loading.readers import load_reader
from iclnb.llm.prompts import Prompt
from iclnb.llm.reader import Reader

OFFSETS = (-1, 0, 1, 2, 3)
"""Positions that are probed, relative to the first token of the label word y_i (paper A, section 5.4)."""

RIDGE = 0.01  # The paper's λ, on vectors as they are (not standardised), with an unpenalised intercept

PARTS = ("keys", "values")
READERS = ("trained", "random weights")


@dataclass(frozen=True, kw_only=True)
class KeysAndValues(Findings):
    """How often probes are right: of what a text predicts in the keys, and of its label in the values.

    ``kv_head`` are key-value heads, ``set`` held-out demonstration sets.
    """

    coordinates: ClassVar = {"part": PARTS, "reader": READERS, "position": tuple(map(str, OFFSETS))}

    accuracy: Float[np.ndarray, "part reader set layer kv_head position"] = variable(
        "accuracy of a probe at a position relative to the label", unit="1", bits=8
    )
    shuffled: Float[np.ndarray, "part reader set layer kv_head position"] = variable(
        "accuracy of probes of shuffled targets, mean over shuffles", unit="1", bits=8
    )
    shuffled_best: Float[np.ndarray, "part shuffle position"] = variable(
        "accuracy of the best head's probe of shuffled targets, trained model", unit="1"
    )
    majority: Float[np.ndarray, "part set position"] = variable(
        "accuracy of always naming the training sets' most frequent target", unit="1"
    )


def measure(run: SimpleNamespace) -> KeysAndValues:
    """The findings of appendix 03a. Raises IclnbError as :func:`iclnb.heads.material.probe_rows`."""
    where = loading(run)
    reader = load_reader(run.model, **where)
    blank = load_reader(run.model, random_weights_seed=run.model_seed, **where)
    rows, shown = probe_rows(run)
    prompts = probe_prompts(reader.tokenizer, rows, shown)
    texts = rows.texts([rows.pool[row] for row in shown.rows.ravel()])
    predicted, found = predicted_tokens(reader, texts), []
    for one in (reader, blank):
        features = cut((one.remember(prompt), prompt) for prompt in prompts)
        both = ((features.keys, predicted), (features.values, features.labels))
        found.append([probe(*pair, features, seed=run.sampling_seed) for pair in both])
    by_part = list(zip(*found, strict=True))
    return KeysAndValues(
        accuracy=[[one.accuracy for one in part] for part in by_part],
        shuffled=[[one.control.mean(0) for one in part] for part in by_part],
        shuffled_best=[trained.control.mean(1).max((1, 2)) for trained, _ in by_part],
        majority=[trained.majority for trained, _ in by_part],
        origins={"model": reader.origin, "control": blank.origin, "data": rows.origins},
    )


@dataclass(frozen=True)
class Features:
    """Keys and values around the labels of all demonstrations of several demonstration sets."""

    # at each of `OFFSETS`; zero where not `present`
    keys: Float[np.ndarray, "layers kv_heads positions demonstrations dim"]
    values: Float[np.ndarray, "layers kv_heads positions demonstrations dim"]
    # whether the prefix reaches as far as the position (behind the last label it may not)
    present: Bool[np.ndarray, "positions demonstrations"]
    sets: Int[np.ndarray, " demonstrations"]  # demonstration set of each demonstration, from 0
    texts: Int[np.ndarray, " demonstrations"]  # a number for each different text x_i
    labels: Int[np.ndarray, " demonstrations"]  # y_i


def cut(prefixes: Iterable[tuple[SharedPrefix, Prompt]]) -> Features:
    """Cut keys and values around the labels out of demonstration sets, one set in memory at a time."""
    parts: dict[str, list[np.ndarray]] = {"keys": [], "values": [], "present": []}
    sets, labels, texts = [], [], []
    for number, (prefix, prompt) in enumerate(prefixes):
        tokens = len(prefix.input_ids)
        where = np.array([[y.start + offset for y in prompt.y] for offset in OFFSETS])
        present = (where >= 0) & (where < tokens)
        parts["present"].append(present)
        for name, layers in (("keys", prefix.keys), ("values", prefix.values)):
            cut = [layer[:, np.where(present, where, 0)].float().cpu().numpy() for layer in layers]
            parts[name].append(np.stack(cut) * present[..., None].astype(np.float32))
        sets += [number] * len(prompt.y)
        labels += prompt.labels
        texts += [prompt.input_ids[x.start : x.stop] for x in prompt.x]
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
    """How often probes are right about the demonstrations of sets that they were not trained on."""

    # of the probe at each layer, key-value head and one of `OFFSETS`, by set
    accuracy: Float[np.ndarray, "sets layers kv_heads positions"]
    # of probes trained and tested on shuffled labels, for each shuffle
    control: Float[np.ndarray, "shuffles sets layers kv_heads positions"]
    # of always saying the most frequent class of the training sets
    majority: Float[np.ndarray, "sets positions"]


def probe(
    vectors: Float[np.ndarray, "layers kv_heads positions demonstrations dim"],
    targets: Int[np.ndarray, " demonstrations"],
    features: Features,
    *,
    folds: int = 5,
    shuffles: int = 10,
    seed: int,
) -> Probed:
    """Ridge regression from vectors to one-hot targets; its answer is the class with the highest value.

    Demonstration sets are held out in ``folds`` parts. From the training sets every demonstration is left out
    whose text also stands in a held-out set. A class that does not occur in the training sets cannot be
    answered and counts as wrong, for the probe as for its controls.

    Vectors are ``features.keys`` or ``values``, targets ``features.labels`` or argmax_o P(o | x_i) of the
    texts run alone; ``shuffles`` are controls with the targets permuted over all demonstrations.

    Raises IclnbError if nothing is left to train on.
    """
    sets, rng = int(features.sets.max()) + 1, np.random.default_rng(seed)
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
    return Probed(by_set[0][:, 0], by_set[0][:, 1:].swapaxes(0, 1), by_set[1])


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
