"""Knock-outs on planted models, whose heads are known, and by hand."""

import itertools

import numpy as np
import planted
import pytest

from iclnb.errors import IclnbError
from iclnb.llm import head_choice, knockouts
from iclnb.llm.demonstrations import Demonstrations, write
from iclnb.llm.knockouts import KnockOut
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.tiny

WORDING = Wording(planted.FORMAT, planted.LABEL_WORDS)
LABELS = np.array([0, 1, 1, 0])


def knocked_out(model, plan):
    """The reader, four queries as drawn and with all labels flipped (2, points), and their answers."""
    reader, rows = Reader(model.loaded), [{"text": f"w{i}"} for i in range(8)]
    order = np.tile(np.arange(4), (2, 4, 1))
    labels = np.broadcast_to(np.stack([LABELS, 1 - LABELS])[:, None], order.shape)
    prompts = write(reader.tokenizer, WORDING, rows[:4], Demonstrations(order, labels), rows[4:])
    found = knockouts.knocked_out(reader, prompts[0].tolist(), prompts[1, 0], WORDING, plan)
    return reader, prompts, found


@pytest.fixture(scope="module")
def every():
    """All single heads of a model with a kernel head at (2, 3), after none."""
    model = planted.plant(head=(2, 3))
    heads = knockouts.every_head(model.loaded.model)
    return heads, *knocked_out(model, [KnockOut(), *(KnockOut([head]) for head in heads)])


def test_without_a_knock_out_it_is_the_models_own_answer(every):
    _, reader, prompts, found = every
    np.testing.assert_allclose(found[:, :, 0], reader.answers(prompts, WORDING), atol=1e-4)


def test_the_kernel_head_carries_all_and_no_other_head_anything(every):
    heads, _, _, found = every
    left = knockouts.influence_left(found)
    left = dict(zip(heads, left[1:] / left[0], strict=True))
    assert left.pop((2, 3)) == pytest.approx(0, abs=0.02)
    np.testing.assert_allclose(list(left.values()), 1, atol=0.02)


def test_what_is_left_by_hand():
    odds = np.array([[[1.0, -1.0], [0.5, -0.5]], [[-1.0, 1.0], [0.0, 0.0]]])  # (contexts, knock-outs, words)
    found = knockouts.influence_left(odds[:, None])
    np.testing.assert_allclose(found, [8, 2])  # D = (2, -2), D' = (.5, -.5)


def test_hidden_demonstrations_leave_nothing():
    model = planted.plant(head=(2, 3), noise=0.0)
    heads = knockouts.every_head(model.loaded.model)
    left = knockouts.influence_left(knocked_out(model, [KnockOut(), KnockOut(heads, "demonstrations")])[2])
    assert abs(left[1] / left[0]) < 1e-6


def test_loss_by_hand():
    left = np.array([[[3.0, 4.0]], [[1.0, 4.0]]])  # two sets, one layer, two heads
    np.testing.assert_allclose(knockouts.loss(left, np.array([4.0, 4.0])), [[0.5, 0]])


def test_best_heads_leave_half_of_each_layer():
    scores = np.array([[0.9, 0.8, 0.7, 0.6], [0.5, 0.5, 0.1, 0.2], [0.3, 0.0, 0.4, 0.95]])
    assert head_choice.best_heads(scores, 4) == [(2, 3), (0, 0), (0, 1), (1, 0)]
    assert head_choice.best_heads(scores, 3, without={2}) == [(0, 0), (0, 1), (1, 0)]
    everything = head_choice.best_heads(scores, 99)
    assert len(everything) == 6 and set(everything) >= set(head_choice.best_heads(scores, 4))
    for layer in range(3):
        head_choice.random_heads_like([h for h in everything if h[0] == layer], 4, np.random.default_rng(0))


def test_random_heads_are_others_of_the_same_layers():
    heads = [(1, 0), (1, 2), (4, 3)]
    drawn = [tuple(head_choice.random_heads_like(heads, 5, np.random.default_rng(s))) for s in range(200)]
    pairs = itertools.combinations([1, 3, 4], 2)
    assert set(drawn) == {((1, a), (1, b), (4, c)) for a, b in pairs for c in (0, 1, 2, 4)}
    with pytest.raises(IclnbError, match="fewer"):
        head_choice.random_heads_like([(0, 0), (0, 1)], 3, np.random.default_rng(0))
