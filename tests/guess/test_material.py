"""What chapter 06 draws: from seeds, once, and conditions that change one thing."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression

from iclnb.errors import IclnbError
from iclnb.guess import material
from iclnb.guess.material import Guess, PairRows

RNG = np.random.default_rng(0)
WORDS = np.array(["a", "man", "plays", "the", "guitar", "on", "stage"])
PAIRS = PairRows(*(
    [
        {name: " ".join(RNG.choice(WORDS, 4)) for name in ("sentence1", "sentence2")}
        | {"score": round(float(score), 1)}
        for score in RNG.uniform(0, 5, count)
    ]
    for count in (40, 12)
))  # fmt: skip


class Encoder:
    def encode(self, texts, **_):
        return np.array([[text.count(letter) for letter in "aegmnoprst"] for text in texts], dtype=float)


def test_pairs_are_random_rows_of_the_two_splits():
    rows = material.load_pairs(7, 5, seed=0, source="packaged")
    again = material.load_pairs(30, 3, seed=0, source="packaged")
    assert (len(rows.train), len(rows.test)) == (7, 5)
    assert again.train[:7] == rows.train and again.test == rows.test[:3]
    assert material.load_pairs(7, 5, seed=1, source="packaged").test != rows.test
    assert [origin["split"] for origin in rows.origins] == ["train", "test"]
    assert rows.truth.tolist() == [row["score"] for row in rows.test]


def test_the_small_model_is_linear_in_its_features():
    small = material.small_model(PAIRS, Encoder(), folds=4, seed=2)
    np.testing.assert_allclose(small.guess.test, np.clip(small.inputs @ small.weights, 0, 5))
    seen = np.clip(small.train_inputs @ small.weights, 0, 5)
    assert (np.abs(small.guess.train - seen) > 1e-9).all(), "guesses of train pairs are cross-fitted"


def test_word_overlap():
    pairs = [("A man, a plan!", "the Man"), ("x", "y"), ("", "..."), ("one two", "TWO one.")]
    rows = [{"sentence1": a, "sentence2": b} for a, b in pairs]
    assert material.word_overlap(rows).tolist() == [1 / 4, 0, 0, 1]


def test_rescaling_is_least_squares_and_stays_on_the_scale():
    feature, scores = RNG.random(30), RNG.uniform(0, 5, 30)
    asked = np.array([0.2, 0.9, 40.0, -40.0])
    model = LinearRegression().fit(feature[:, None], scores)
    expected = np.clip(model.predict(asked[:, None]), 0, 5)
    np.testing.assert_allclose(material.rescaled(asked, feature, scores), expected)
    assert set(expected[2:]) == {0.0, 5.0}


def test_graded_guesses_have_the_shape_of_the_truth_and_the_quality_asked_for():
    truth = np.round(RNG.beta(0.8, 0.7, 4000) * 5, 1)  # ties, mass at both ends, as in the benchmark
    found = {q: material.graded(truth, q, seed=2) for q in (0.0, 0.3, 0.6, 0.9, 1.0)}
    for quality, guess in found.items():
        assert (np.sort(guess) == np.sort(truth)).all()
        assert pearsonr(guess, truth).statistic == pytest.approx(quality, abs=0.06)
    assert (found[1.0] == truth).all()
    assert (material.graded(truth, 0.3, seed=2) == found[0.3]).all()
    assert (material.graded(truth, 0.3, seed=5) != found[0.3]).any()


def test_other_guesses_by_hand():
    made = material.other_guesses(PAIRS, seed=3)
    assert list(made) == ["word overlap", "train mean", "random"]
    scores = np.array([row["score"] for row in PAIRS.train])
    np.testing.assert_allclose(made["train mean"].train, scores.mean())
    np.testing.assert_allclose(made["random"].test, np.random.default_rng(3).choice(scores, 12))
    np.testing.assert_allclose(made["random"].train, np.random.default_rng((3, 1)).choice(scores, 40))
    for guess in made.values():
        assert guess.test.shape == (12,) and guess.train.shape == (40,)
        assert (np.round(guess.rounded(1).train, 1) == guess.rounded(1).train).all()


def test_grades_go_from_useless_to_perfect():
    useless, middle, perfect = material.graded_guesses(PAIRS, 3, seed=3)
    assert perfect.test.tolist() == PAIRS.truth.tolist() != useless.test.tolist()
    assert perfect.train.tolist() == PAIRS.train_scores.tolist()
    assert middle.test.tolist() == material.graded(PAIRS.truth, np.sqrt(0.5), seed=3).tolist()


def test_lessons_teach_what_they_say_and_cannot_be_copied_but_the_first():
    found = material.lessons(PAIRS, 4, 6, seed=2)
    perfect = found["perfect"]
    scores = PAIRS.train_scores[perfect.shown]
    assert perfect.shown.shape == (6, 4) and scores.max() <= 4
    relation = {"perfect": scores, "mirrored": 5 - scores, "shifted": scores + 1}
    for lesson, each in found.items():
        assert (each.shown == perfect.shown).all() and (each.scores == PAIRS.train_scores).all()
        assert (each.guess.test == perfect.guess.test).all()
        assert (each.guess.test >= 1).all() and (each.guess.test <= 4).all()
        guess = each.guess.train[each.shown]
        assert guess.min() >= 0 and guess.max() <= 5
        if lesson in relation:
            np.testing.assert_allclose(guess, relation[lesson])
        if lesson in ("mirrored", "shifted"):
            written = zip(guess.ravel(), scores.ravel(), strict=True)
            assert all(f"{g:.1f}" != f"{s:.1f}" for g, s in written)
    many = PairRows([{"score": score} for score in RNG.uniform(0, 5, 4000)], PAIRS.test)
    useless = material.lessons(many, 50, 40, seed=0)["useless"]
    pairs = useless.guess.train[useless.shown].ravel(), many.train_scores[useless.shown].ravel()
    assert abs(np.corrcoef(*pairs)[0, 1]) < 0.1
    with pytest.raises(IclnbError, match="smaller k"):
        material.lessons(PAIRS, 40, 2, seed=0)


def test_what_is_movable_stays_on_the_scale():
    guess = Guess(RNG.uniform(0, 5, 12), RNG.uniform(0, 5, 40))
    condition, points = material.movable(PAIRS, guess, 3, 4, 5, delta=1.5, seed=1)
    assert condition.shown.shape == (4, 3) and condition.guess is guess
    expected = [i for i in range(12) if 1.5 <= guess.test[i] <= 3.5][:5]
    assert points.tolist() == expected and len(expected) > 1
    with pytest.raises(IclnbError, match="take more pairs or a smaller delta"):
        few = PairRows(PAIRS.train, PAIRS.test[:1])
        material.movable(few, Guess(guess.test[:1], guess.train), 3, 4, 5, delta=1.5, seed=1)
    for row in condition.shown.ravel():
        assert 1.5 <= guess.train[row] <= 3.5 and 1.5 <= PAIRS.train[row]["score"] <= 3.5
