"""Everything that chapter 07 measures on a model."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import RidgeCV
from tqdm import tqdm

from iclnb.errors import IclnbError
from iclnb.influence import matrix
from iclnb.influence.findings import HIDDEN, LOG_ODDS, SCALES, Influence
from iclnb.influence.material import OWN, Material, draw_material, draw_rows
from iclnb.influence.matrix import LEVELS, moments
from iclnb.influence.readings import Readings, read_sets
from iclnb.influence.rivals import rivals
from iclnb.llm.flips import contexts
from iclnb.llm.head_choice import Head, best_heads, random_halves, random_heads_like
from iclnb.llm.knockouts import KnockOut, every_head, first_tokens, influence_left, knocked_out, loss
from iclnb.llm.limits import check_readable
from iclnb.llm.loading.readers import load_reader
from iclnb.llm.reader import Reader
from iclnb.store import Arrays

WINDOWS = 6  # Stretches of neighbouring layers whose reading is knocked out together
PENALTIES = np.logspace(0, 6, 13)  # Among which ridge regression chooses, by leaving out one entry at a time


def measure(run: SimpleNamespace) -> Influence:
    """The findings of chapter 07.

    Raises IclnbError if there is too little to measure, or the architecture cannot be followed.
    """
    rows, words = draw_rows(run)
    where = {"revision": run.revision, "device_map": run.device_map, "dtype": run.dtype}
    reader = load_reader(run.model, batch_size=run.batch_size, **where)
    drawn = draw_material(
        reader.tokenizer, rows, run.k, run.sets, run.points, seed=run.demonstration_seed, arbitrary=words
    )
    _refuse_unreadable(reader, drawn.values(), run)
    own = drawn[OWN]
    alike, found = rivals(reader, rows, own), []
    for material in drawn.values():
        readings = read_sets(reader, material)
        carried = _carried(reader, material, run)
        found.append(carried | _predicted(material, readings, alike, carried))
    return Influence(
        **{name: np.stack([one[name] for one in found]) for name in found[0]},
        truth=own.truth,
        label=own.labels,
        rivals=alike,
        heads=run.heads,
        origins={"model": reader.origin, "data": rows.origins},
    )


def _refuse_unreadable(reader: Reader, drawn: Iterable[Material], run: SimpleNamespace) -> None:
    """Find out before hours of reading what would stop them, or the knock-outs behind them."""
    model = reader.loaded.model
    layer, head = every_head(model)[-1]
    most = (layer + 1) * ((head + 1) // 2)
    if run.heads > most:
        raise IclnbError(
            f"at most half of a layer's heads are chosen: ask for heads <= {most}, not {run.heads}"
        )
    for material in drawn:
        tables = material.prompts.ravel(), material.flipped.ravel()
        check_readable(model, [prompt.input_ids for table in tables for prompt in table])
        for prompts, flipped in zip(material.prompts.tolist(), material.flipped.tolist(), strict=True):
            first_tokens(contexts(reader.tokenizer, prompts, flipped, material.wording), material.wording)


def _predicted(
    material: Material, readings: Readings, alike: Float[np.ndarray, "rivals sets points k"], carried: Arrays
) -> Arrays:
    """The influence matrix of one wording, and how it goes with what might predict it."""
    shown, answers = material.words_shown, readings.answers
    influence, pull = (matrix.influence(answers, shown, of) for of in (matrix.log_odds, matrix.probability))
    by_head, by_layer = np.moveaxis(readings.weights, 1, 3), np.moveaxis(readings.smoothed, 1, 2)
    head_square, head_product = _moments(by_head, (influence, pull), material)
    state_square, state_product = _moments(by_layer, (influence, pull), material)
    place = LEVELS.index("pairs")
    size = np.sqrt(head_square[place, 1:].sum(0)).clip(1e-30)
    follows = head_product[SCALES.index(LOG_ODDS), place, 1:].sum(0) / size
    layer, head = np.unravel_index(follows.argmax(), follows.shape)
    both = [matrix.changes(answers, scale) for scale in SCALES]
    return {
        "influence": influence,
        "pull": pull,
        "right": answers[:, 0].argmax(-1) == material.right,
        "shown": shown,
        "summed": np.stack([one for one, _ in both]),
        "together": np.stack([other for _, other in both]),
        "combined": combined(influence, shown, alike, readings.weights, carried),
        "head_mean": readings.weights.mean((1, 4)),
        "head_square": head_square,
        "head_product": head_product,
        "best_layer": layer,
        "best_head": head,
        "best_weights": readings.weights[0, :, layer, head],
        "state_mean": readings.smoothed.mean((1, 3)),
        "state_square": state_square,
        "state_product": state_product,
    }


def _moments(
    weights: Float[np.ndarray, "sets *heads points k"],
    scales: Sequence[Float[np.ndarray, "sets points k"]],
    material: Material,
) -> tuple[Float[np.ndarray, "levels sets *heads"], Float[np.ndarray, "scales levels sets *heads"]]:
    """Mean squares of weights, and their mean products with influence on each scale."""
    found = [moments(weights, influence, material.truth, material.labels) for influence in scales]
    return found[0][0], np.stack([product for _, product in found])


def combined(
    influence: Float[np.ndarray, "sets points k"],
    shown: Int[np.ndarray, "sets k"],
    alike: Float[np.ndarray, "rivals sets points k"],
    weights: Float[np.ndarray, "sets points layers heads k"],
    carried: Arrays,
    *,
    folds: int = 5,
) -> Float[np.ndarray, "combinations sets points k"]:
    """Influence predicted by ridge regression that was fitted on other sets.

    From position, word, how many share it, and rivals; and from these and the weights of all heads. A head's
    weights, standardised, are multiplied by the share of influence that is lost without it, relative to the
    largest: a head that writes nothing tells nothing, whatever it attends to.
    """
    sets, points, k = influence.shape
    word = np.eye(shown.max() + 1)[shown]
    alike_labels = word * (shown[:, :, None] == shown[:, None]).mean(-1, keepdims=True)
    known = np.concatenate([np.tile(np.eye(k), (sets, 1, 1)), word, alike_labels], axis=-1)
    known = np.broadcast_to(known[:, None], (sets, points, *known.shape[1:]))
    blind = np.concatenate([known, np.moveaxis(alike, 0, -1)], axis=-1)
    of_heads = np.moveaxis(weights, -1, 2).reshape(sets, points, k, -1)
    fold, found = np.arange(sets) % min(folds, sets), np.empty((2, *influence.shape))
    for one in np.unique(fold):
        train, test = fold != one, fold == one
        lost = np.nan_to_num(np.abs(loss(carried["left"][train], carried["whole"][train]))).ravel()
        lost /= lost.max() or 1
        parts = [_standard(part, train) for part in (blind, of_heads)]
        for number, features in enumerate((parts[0], np.concatenate([parts[0], parts[1] * lost], axis=-1))):
            table, wanted = features[train].reshape(-1, features.shape[-1]), influence[train].ravel()
            guess = RidgeCV(PENALTIES).fit(table, wanted).predict(features[test].reshape(-1, table.shape[1]))
            found[number, test] = guess.reshape(-1, points, k)
    return found


def _standard(features: Float[np.ndarray, "sets points k features"], train: np.ndarray) -> np.ndarray:
    """Features of mean 0 and variance 1 on some sets; a constant is 0."""
    mean, spread = features[train].mean((0, 1, 2)), features[train].std((0, 1, 2))
    return (features - mean) / np.where(spread > 1e-12, spread, np.inf)


def _carried(reader: Reader, material: Material, run: SimpleNamespace) -> Arrays:
    """Which heads carry what labels change in one wording.

    First every head is knocked out by itself; then, on the sets that did not choose them, the heads of most
    loss together.
    """
    heads = every_head(reader.loaded.model)
    layers, per_layer = heads[-1][0] + 1, heads[-1][1] + 1
    edges = np.unique(np.linspace(0, layers, min(WINDOWS, layers) + 1).round().astype(int)).tolist()
    windows = [[head for head in heads if start <= head[0] < stop] for start, stop in pairwise(edges)]
    wide = [KnockOut(group, hidden) for hidden in HIDDEN for group in (*windows, heads)]
    plan = [KnockOut(), *(KnockOut([head]) for head in heads), *wide]
    found = np.stack(list(_left(reader, material, run.asked, [plan] * run.sets)))
    whole, left = found[:, 0], found[:, 1 : 1 + len(heads)].reshape(-1, layers, per_layer)
    of_windows = found[:, 1 + len(heads) :].reshape(len(whole), len(HIDDEN), -1).swapaxes(0, 1)
    chosen, groups = choices(left, whole, run.heads, run.redraws, seed=run.sampling_seed)
    judged = [np.flatnonzero(~chosen[:, s]) for s in range(run.sets)]
    plans = [[KnockOut(), *(KnockOut(group) for draw in of for group in groups[draw])] for of in judged]
    together = np.full((2, run.redraws, len(whole)), np.nan)
    for s, one in enumerate(_left(reader, material, run.asked, plans)):
        together[:, judged[s], s] = one[1:].reshape(-1, 2).T
    return {
        "whole": whole,
        "left": left,
        "left_window": of_windows[..., :-1],
        "left_all": of_windows[..., -1],
        "left_group": together,
    }


def choices(
    left: Float[np.ndarray, "sets layers heads"],
    whole: Float[np.ndarray, " sets"],
    count: int,
    redraws: int,
    *,
    seed: int,
) -> tuple[Bool[np.ndarray, "redraws sets"], list[tuple[list[Head], list[Head]]]]:
    """Which sets choose, halves at random; the heads of most loss there, and as many others of the same layers."""
    rng = np.random.default_rng(seed)
    chosen, groups = random_halves(len(whole), redraws, rng), []
    for half in chosen:
        best = best_heads(loss(left[half], whole[half]), count)
        groups.append((best, random_heads_like(best, left.shape[2], rng)))
    return chosen, groups


def _left(
    reader: Reader, material: Material, asked: int, plans: Sequence[Sequence[KnockOut]]
) -> Iterator[Float[np.ndarray, " knock_outs"]]:
    """What is left of the labels' influence on the first queries of every set under its knock-outs."""
    pairs = zip(material.prompts, material.flipped, plans, strict=True)
    for prompts, flipped, plan in tqdm(pairs, total=len(plans), desc="knock-outs", unit="set", disable=None):
        yield influence_left(
            knocked_out(reader, prompts[:asked].tolist(), flipped[-1], material.wording, plan)
        )
