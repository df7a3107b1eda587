"""Asking a model about many pairs under several sets of demonstrations, and moving what it is shown."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from iclnb.llm import reading
from iclnb.llm.data.definitions import Format
from iclnb.guess.answers import DIGITS, Answers, read_off
from iclnb.guess.pairs import Pairs, Style, pair_prompts, written_format
from iclnb.llm.models import LoadedModel

Ask = Callable[[Sequence[Pairs], Sequence[Pairs]], list[Answers]]
"""From demonstration sets and sets of queries to the answers to each set of queries."""


def ask(
    loaded: LoadedModel,
    format: Format,
    style: Style,
    shown: Sequence[Pairs],
    asked: Sequence[Pairs],
    *,
    values: Float[np.ndarray, " digits"],
    batch_size: int = 16,
) -> list[Answers]:
    """The answers to every set of queries under every set of demonstrations, these read once.

    Args:
        loaded: a model and its tokeniser.
        format: how a pair is written without a guess.
        style: how guesses and answers are written.
        shown: the demonstration sets.
        asked: sets of queries.
        values: what a digit stands for (:func:`iclnb.guess.answers.digit_values`).
        batch_size: queries per forward pass.

    Returns:
        For each set of queries the answers, (sets, points).

    Raises:
        IclnbError: as :func:`iclnb.guess.pairs.pair_prompts`.
    """
    prompts = [
        prompt
        for demonstrations in shown
        for queries in asked
        for prompt in pair_prompts(loaded.tokenizer, format, style, demonstrations, queries)
    ]
    guess = asked[0].guess is not None
    written, _ = written_format(loaded.tokenizer, format, style, guess=guess)
    tokens = reading.label_tokens(loaded.tokenizer, written, DIGITS)
    said = reading.answers(loaded, prompts, tokens, batch_size=batch_size)
    said = said.reshape(len(shown), -1, len(DIGITS))
    edges = np.cumsum([len(queries.rows) for queries in asked])[:-1]
    return [read_off(part, values) for part in np.split(said, edges, axis=1)]


def moved(pairs: Pairs, *, guess: float = 0.0, score: float = 0.0) -> Pairs:
    """The pairs with all guesses, or all scores, raised by a constant."""
    rows = [{**row, "score": row["score"] + score} for row in pairs.rows]
    return replace(pairs, rows=rows, guess=pairs.guess + guess)


RESPONSES = ("query guess", "shown guesses", "all guesses", "shown scores")
"""What is moved in :func:`responses`."""


def responses(
    ask: Ask, shown: Sequence[Pairs], asked: Pairs, delta: float
) -> dict[str, Float[np.ndarray, "sets points"]]:
    """How the expected answer moves with what the prompt says: central differences, per point of the scale.

    A model that copies the guess answers by 1, 0, 1, 0 in the order of :data:`RESPONSES`; one that ignores
    guesses by 0 to the first three; gradient descent from the guess by 1, -κ, 1 - κ, κ with κ the kernel
    weight of the demonstrations (:func:`iclnb.guess.descent.kernel_mean` of residuals of 1).

    Args:
        ask: as :func:`ask` with a model and a style.
        shown: demonstration sets with guesses; scores and guesses at least ``delta`` from the scale's ends.
        asked: queries with guesses, likewise.
        delta: how far to move, in points of the scale, up and down.
    """
    up, down = moved(asked, guess=delta), moved(asked, guess=-delta)
    higher, lower = ask(shown, [up, down])
    guesses_up, all_up = ask([moved(pairs, guess=delta) for pairs in shown], [asked, up])
    guesses_down, all_down = ask([moved(pairs, guess=-delta) for pairs in shown], [asked, down])
    (scores_up,) = ask([moved(pairs, score=delta) for pairs in shown], [asked])
    (scores_down,) = ask([moved(pairs, score=-delta) for pairs in shown], [asked])
    changes = ((higher, lower), (guesses_up, guesses_down), (all_up, all_down), (scores_up, scores_down))
    return {
        name: (above.expected - below.expected) / (2 * delta)
        for name, (above, below) in zip(RESPONSES, changes, strict=True)
    }
