"""Scores of heads, shares and steps against numbers by hand, numpy and scipy."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from iclnb.errors import IclnbError
from iclnb.mechanism import decision, flow, material, scores, verdict
from iclnb.mechanism.passes import by_word

RNG = np.random.default_rng(0)
LABELS = np.array([[0, 1, 1, 0, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0]])


def test_correlation_is_pearsons():
    weights, other = RNG.random((2, 3, 5)), RNG.random(5)
    expected = [[scipy_stats.pearsonr(row, other).statistic for row in rows] for rows in weights]
    np.testing.assert_allclose(scores.correlation(weights, other), expected)
    assert np.isnan(scores.correlation(np.ones(4), np.arange(4.0)))


def test_within_one_label_the_label_does_not_help():
    follows_label = np.broadcast_to(LABELS[:, None, None, None, :].astype(float), (3, 2, 1, 1, 5))
    like = RNG.random((3, 2, 5))
    noise = RNG.random((3, 2, 1, 1, 5))
    assert np.isnan(scores.within_label(follows_label, like, LABELS)).all()
    found = scores.within_label(3 * follows_label + noise, like, LABELS)[:, :, 0, 0]
    for s, p in np.ndindex(3, 2):
        pairs = []
        for label in (0, 1):
            here = LABELS[s] == label
            pairs.append(
                (
                    noise[s, p, 0, 0, here] - noise[s, p, 0, 0, here].mean(),
                    like[s, p, here] - like[s, p, here].mean(),
                )
            )
        a, b = (np.concatenate(part) for part in zip(*pairs, strict=True))
        assert found[s, p] == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)))


def test_label_match_and_shares_by_hand():
    weights = np.array([0.5, 0.1, 0.1, 0.1, 0.2])
    np.testing.assert_allclose(by_word(weights, LABELS[0], 2), [0.6, 0.4])
    np.testing.assert_allclose(by_word(np.zeros(4), (0, 1, 1, 1), 2), [0.25, 0.75])
    votes = scores.regression(np.broadcast_to(weights, (3, 1, 1, 1, 5)), LABELS, 2)
    np.testing.assert_allclose(votes[:, 0, 0, 0, 1], [0.4, 0.6, 0.2])
    answers = np.log([[[0.9, 0.1]], [[0.2, 0.8]], [[0.8, 0.2]]])
    found = scores.label_match(votes, answers, LABELS)[:, 0, 0, 0]
    np.testing.assert_allclose(found, [0.6 - 2 / 5, 0.6 - 2 / 5, 0.8 - 3 / 5])
    # priors off: the votes' mean for label 0 is .6; the answers' log-odds are 2.20, -1.39, 1.39, of mean .73
    assert scores.agreement(votes, answers)[..., 0, 0].ravel().tolist() == [False, True, True]


def test_best_heads_are_chosen_on_the_other_half():
    agrees = np.zeros((4, 3, 1, 3), dtype=bool)
    agrees[[0, 2], :, :, 0] = agrees[[1, 3], :, :, 1] = True
    assert scores.best(agrees) == [(0, 0), (0, 1)]
    np.testing.assert_allclose(scores.over_best(agrees.astype(float), agrees), 0)  # never on its own half


def test_effects_by_hand():
    def effects(answer):
        table = np.array([[[answer(x, y) * sign for sign in (-0.5, 0.5)] for x in (-1, 1)] for y in (1, -1)])
        return {name: part.item() for name, part in verdict.effects(table[:1], table[1:]).items()}

    assert effects(lambda x, y: 3 * x) == pytest.approx({"query": 4.5, "labels": 0, "both": 0})
    assert effects(lambda x, y: 3 * y) == pytest.approx({"query": 0, "labels": 4.5, "both": 0})
    assert effects(lambda x, y: 2 * x * y + 7) == pytest.approx({"query": 0, "labels": 0, "both": 2})


def test_shares_by_hand():
    like, unlike = verdict.LIKE + 0.01, verdict.LIKE - 0.01
    found = verdict.shares_of(1.0, 1.0, 2.0, 1.0, 4.0, 1.0, 2.0, likeness=like)
    np.testing.assert_allclose(found, [0.375, 0, 0.1875, 0.25 / 2 + 0.75 / 4, 0.125])
    np.testing.assert_allclose(
        verdict.shares_of(1.0, 1.0, 2.0, 1.0, 4.0, 1.0, 2.0, likeness=unlike)[:2], [0, 0.375]
    )
    np.testing.assert_allclose(verdict.shares_of(0, 0, 1.0, -1, 4, 9, 3, likeness=like), [1, 0, 0, 0, 0])
    assert np.isnan(verdict.shares_of(0, 0, 0, 0, 0, 0, 0, likeness=like)).all()


def test_answers_move_between_nothing_and_all():
    before, goal = RNG.normal(size=(2, 6, 3))
    for share in (0.0, 0.3, 1.0):
        after = (
            before + share * (goal - before) + RNG.normal(size=(6, 1))
        )  # what all words gain does not count
        up, down = flow.moved(before, after, goal)
        np.testing.assert_allclose(up / down, share, atol=1e-12)
        left, whole = flow.kept(before, share * before)
        np.testing.assert_allclose(left / whole, share, atol=1e-12)


def test_the_plan_blocks_what_it_names():
    steps = flow.plan(6, 3, windows=2)
    assert steps[0] == flow.Step("nothing", 0, 0)
    assert {s.start for s in steps if s.kind == "query"} == {0, 2, 5}
    assert [s[1:] for s in steps if s.kind == "block labels"] == [(0, 6), (2, 6), (5, 6), (0, 3), (3, 6)]
    assert flow.places(steps, "block labels", to_the_end=6).tolist() == [7, 8, 9, 14]
    assert flow.grid(30, 10)[[0, -1]].tolist() == [0, 29] and len(flow.grid(3, 10)) == 3


def test_the_decision_is_there_where_agreement_stays():
    agrees = np.ones((2, 5, 6), dtype=bool)
    agrees[:, :2, :2] = agrees[:, :1, 3] = False  # .6 .6 1 .8 1 1
    assert decision.decision_layer(agrees, 0.9) == 4
    assert decision.decision_layer(agrees, 0.7) == 2
    assert decision.decision_layer(agrees, 0.5) == 0
    assert decision.decision_layer(np.zeros((2, 5, 6))) == 6


def test_the_middle_layer_is_the_lower_median():
    assert decision.middle_layer([(5, 0), (2, 1), (9, 3)]) == 5
    assert decision.middle_layer([(7, 0), (2, 1), (9, 3), (3, 3)]) == 3
    assert decision.middle_layer([(4, 4)]) == 4


def test_repeated_tokens_say_what_followed():
    made = material.repeated(np.arange(50, 90), 20, 12, seed=0)
    for row, after in zip(made.rows, made.after, strict=True):
        assert len(set(row[:12])) == 12 and row[12:] == row[: len(row) - 12]
        assert row[after - 1] == row[-1] and 0 < after < 12


def test_an_odd_number_of_points_is_refused():
    with pytest.raises(IclnbError, match="not even"):
        material.drawn(None, None, 4, 2, 3, seed=0)
