"""Evidence by hand and against scikit-learn; a planted kernel head does what a kernel does."""

from dataclasses import replace

import numpy as np
import planted
import pytest
from drawn import rows, shows
from scipy import special
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

from iclnb.claims import NothingToMeasure
from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.definitions import Task
from iclnb.llm.demonstrations import draw
from iclnb.llm.reader import Reader
from iclnb.steering import conditions, estimates, estimates_details, findings, pictures
from iclnb.steering.findings import CONDITIONS, FLIPPED, NEAREST, ONE_LINE, RANDOM, TEMPLATE, UNRELATED
from iclnb.steering.measure import answers
from iclnb.steering.study import Condition, Study, Texts

POINTS, ORDERS, K = 30, 4, 5


def steering(words=3, seed=0, **changes):
    """Random findings."""
    rng = np.random.default_rng(seed)

    def said(*shape):
        return special.log_softmax(2 * rng.normal(size=(*shape, words)), -1)

    every = len(CONDITIONS)
    made = {
        "answers": said(every, POINTS), "labels": rng.integers(words, size=(every, POINTS, K)),
        "distance": rng.random((every, POINTS, K)), "truth": np.arange(POINTS) % words,
        "zero_shot": said(POINTS), "ordered": said(POINTS, ORDERS),
        "ordered_labels": rng.integers(words, size=(POINTS, ORDERS, K)), "bandwidth": 0.4, "log_loss": 1.0,
    }  # fmt: skip
    return findings.Steering(**made | changes)


SETS, SHARED = 8, 12


def biased():
    """Answers whose log-odds are the truth's, plus a bias of each prompt that all its priors know."""
    bias = 3.0 * np.random.default_rng(0).choice([-1, 1], size=(SETS, ORDERS))
    odds = 1.0 * (2 * (np.arange(SHARED) % 2) - 1) + bias[..., None]
    of = special.expit(np.stack([-odds, odds], -1))
    neutral = special.expit(np.stack([-bias, bias], -1))
    priors = {findings.CONTEXTUAL: neutral, findings.BATCH: of.mean(2), findings.DOMAIN: neutral}
    return np.log(of), np.stack([priors[method] for method in findings.METHODS])


def details():
    """Random findings of the appendix, but for what calibration is to find."""
    rng = np.random.default_rng(1)
    ordered, prior = biased()
    return findings.Details(
        answers=special.log_softmax(rng.normal(size=(len(findings.DETAILS), POINTS, 2)), -1),
        labels=rng.integers(2, size=(POINTS, K)),
        weights=rng.random((len(findings.MEASURES), POINTS, K)),
        truth=np.arange(POINTS) % 2,
        ordered=ordered,
        prior=prior,
    )


RNG = np.random.default_rng(0)

ONE = steering()


def said(one, condition, point):
    """Probabilities of the label words of one prompt."""
    return np.exp(one.answers[CONDITIONS.index(condition), point].astype(float))


def by_kernel(one, condition, point, bandwidth=0.4):
    at = CONDITIONS.index(condition)
    oracle = KNeighborsClassifier(K, weights=lambda d: np.exp(-(d**2) / (2 * bandwidth**2)))
    oracle.fit(one.distance[at, point][:, None].astype(float), one.labels[at, point])
    found = np.zeros(one.answers.shape[-1])
    found[oracle.classes_] = oracle.predict_proba([[0.0]])[0]
    return found


@pytest.mark.parametrize("side", [said, by_kernel])
def test_differences_by_hand(side):
    """Estimates are the model's, controls those of kernel regression by scikit-learn."""
    of = {name: np.array([side(ONE, name, i) for i in range(POINTS)]) for name in CONDITIONS}
    truth = ONE.truth
    right = {name: each[np.arange(POINTS), truth] for name, each in of.items()}
    shown = of[FLIPPED][np.arange(POINTS), (truth + 1) % 3]
    correct = {name: each.argmax(1) == truth for name, each in of.items()}
    half = (right[UNRELATED] - 1 / 3) - (right[RANDOM] - 1 / 3) / 2
    for evidence, expected in (
        (estimates.difference(ONE, NEAREST, RANDOM, seed=0), (right[NEAREST] - right[RANDOM]).mean()),
        (estimates.follows_flipped(ONE, seed=0), (shown - right[FLIPPED]).mean()),
        (estimates.kept_without_labels(ONE, seed=0), half.mean()),
        (
            estimates.accuracy_difference(ONE, NEAREST, RANDOM, seed=0),
            correct[NEAREST].mean() - correct[RANDOM].mean(),
        ),
    ):
        found = evidence.estimate.value if side is said else evidence.control
        assert found == pytest.approx(expected, abs=1e-6)
        assert evidence.estimate.low < evidence.estimate.value < evidence.estimate.high
    narrow = np.exp(estimates.kernel(ONE, NEAREST, bandwidth=0.1))
    np.testing.assert_allclose(narrow, [by_kernel(ONE, NEAREST, i, 0.1) for i in range(POINTS)], atol=1e-6)
    assert estimates.probability(ONE, NEAREST, seed=0).value == pytest.approx(
        np.mean([said(ONE, NEAREST, i)[truth[i]] for i in range(POINTS)])
    )


def test_any_kernel_mirrors_flipped_labels():
    """What the chapter calls exact, whatever the distances."""
    labels = np.broadcast_to(RNG.integers(2, size=(POINTS, K)), (len(CONDITIONS), POINTS, K)).copy()
    labels[CONDITIONS.index(FLIPPED)] = 1 - labels[0]
    one = steering(2, labels=labels, distance=np.broadcast_to(ONE.distance[:1], labels.shape))
    mirrored = estimates.follows_flipped(one, seed=0).control
    assert mirrored == pytest.approx(2 * estimates.kernel_right(one, RANDOM) - 1)


def test_formats_and_orders_by_hand():
    chosen = {name: ONE.answers[CONDITIONS.index(name)].argmax(-1) for name in (RANDOM, TEMPLATE, ONE_LINE)}
    changed = np.mean([chosen[name] != chosen[RANDOM] for name in (TEMPLATE, ONE_LINE)])
    assert estimates.changed_by_format(ONE, seed=0).estimate.value == pytest.approx(changed)
    alone = ONE.answers.copy()
    alone[CONDITIONS.index(TEMPLATE)] = np.nan
    one = replace(ONE, answers=alone)
    assert (
        estimates.changed_by_format(one, seed=0).estimate.value == (chosen[ONE_LINE] != chosen[RANDOM]).mean()
    )
    alone[CONDITIONS.index(ONE_LINE)] = np.nan
    with pytest.raises(NothingToMeasure, match="second template"):
        estimates.changed_by_format(replace(ONE, answers=alone), seed=0)
    answered = ONE.ordered.argmax(-1)
    pairs = [np.mean([a[i] != a[j] for i in range(ORDERS) for j in range(i)]) for a in answered]
    assert estimates.order_matters(ONE, seed=0).estimate.value == pytest.approx(np.mean(pairs))
    few, many = (estimates.flips(RNG.integers(2, size=(20_000, n))).mean() for n in (2, 8))
    assert few == pytest.approx(0.5, abs=0.02) and many == pytest.approx(0.5, abs=0.02)


def test_pulls_by_hand():
    found = estimates.pulls(ONE.ordered.astype(float), ONE.ordered_labels)
    p = np.exp(ONE.ordered.astype(float))
    for point in range(POINTS):
        for place in range(K):
            by_class = []
            for word in range(3):
                odds = special.logit(p[point, :, word])
                here = ONE.ordered_labels[point, :, place] == word
                if here.any() and not here.all():
                    by_class.append(odds[here].mean() - odds[~here].mean())
            expected = np.mean(by_class) if by_class else np.nan
            np.testing.assert_allclose(found[point, place], expected, rtol=1e-4)
    last = [found[i, -1] - np.nanmean(found[i, :-1]) for i in range(POINTS)]
    assert estimates.last_label_pulls(ONE, seed=0).estimate.value == pytest.approx(np.nanmean(last))


def test_a_model_is_at_chance_unless_shown_to_be_above_it():
    truth = np.arange(POINTS) % 2
    for share, blind in ((0.5, True), (0.95, False)):
        chosen = np.where(RNG.random(POINTS) < share, truth, 1 - truth)
        given = np.broadcast_to(np.log(0.9 * np.eye(2)[chosen] + 0.05), (len(CONDITIONS), POINTS, 2))
        assert estimates.at_chance(steering(2, answers=given, truth=truth), seed=0) == blind


def put(bandwidth=8.0, points=24, k=6):
    """The chapter's findings on the planted model."""
    made = planted.plant(head=(3, 1), bandwidth=bandwidth)
    order = np.random.default_rng(0).permutation(len(made.places))
    labels = made.clusters % 2
    pool, asked = order[points:], order[:points]
    texts = [Texts([{"text": f"w{i}"} for i in part], made.places[part]) for part in (pool, asked)]
    task = Task("planted", ("text",), ("A", "B"), planted.LABEL_WORDS, {"only": planted.FORMAT})
    study = Study(
        Reader(made.loaded),
        task,
        texts[0],
        labels[pool],
        texts[1],
        labels[asked],
        Bandwidth(bandwidth**-0.5, 0.1),
    )
    shown = draw(study.labels, k, points, seed=1)
    asked = {RANDOM: Condition(shown)} | conditions.relabelled(study, shown, seed=2)
    cosine = texts[1].vectors @ texts[0].vectors.T
    for sign, names in ((1, CONDITIONS[1:3]), (-1, CONDITIONS[3:5])):
        asked |= conditions.retrieved(study, sign * cosine, k, names, most=20, seed=3)
    asked = {name: asked[name] for name in CONDITIONS if name in asked and "arbitrary" not in name}
    every = [asked.get(name) for name in CONDITIONS]
    ordered = conditions.own_orders(study, k, 3, seed=4)
    return steering(
        2, answers=answers(study, every), truth=study.truth, zero_shot=study.zero_shot(),
        labels=np.stack([(each or every[0]).shown.labels for each in every]),
        distance=np.stack([study.distances(each or every[0]) for each in every]),
        ordered=study.answers(Condition(ordered)).swapaxes(0, 1), ordered_labels=ordered.labels.swapaxes(0, 1),
        bandwidth=study.bandwidth.value,
    )  # fmt: skip


@pytest.mark.tiny
def test_the_planted_head_does_what_its_kernel_does():
    one = put()
    nearest = estimates.difference(one, NEAREST, findings.LIKE_NEAREST, seed=0)
    farthest = estimates.difference(one, findings.FARTHEST, findings.LIKE_FARTHEST, seed=0)
    followed, kept = estimates.follows_flipped(one, seed=0), estimates.kept_without_labels(one, seed=0)
    for evidence in (nearest, farthest, followed, kept):
        assert evidence.estimate.value == pytest.approx(evidence.control, abs=0.1)
    assert farthest.control < -0.1 and followed.estimate.low > 0
    assert estimates.order_matters(one, seed=0).estimate.value < 0.05
    pulled = estimates.last_label_pulls(one, seed=0).estimate
    assert pulled.low < 0 < pulled.high
    assert estimates.tells_the_answer(one, seed=0).estimate.low > 0.4
    assert not estimates.at_chance(one, seed=0)


DETAIL = details()


def right_in(condition):
    return np.exp(DETAIL.answers[findings.DETAILS.index(condition)])[np.arange(POINTS), DETAIL.truth]


def test_gains_are_against_the_same_labels_and_embeddings():
    found = estimates_details.retrieval_helps(DETAIL, findings.WORDS, seed=0)
    gain = {
        by: (right_in(f"nearest, {by}") - right_in(f"random, labels of the nearest, {by}")).mean()
        for by in findings.MEASURES
    }
    assert found.estimate.value == pytest.approx(gain[findings.WORDS]) and found.control == pytest.approx(
        gain[findings.EMBEDDINGS]
    )
    found = estimates_details.demonstrations_count(DETAIL, findings.PERTURBED[0], seed=0)
    assert found.estimate.value == pytest.approx((right_in(findings.PERTURBED[0]) - right_in(RANDOM)).mean())


def test_a_kernel_tells_a_partial_correlation():
    odds = DETAIL.answers[0] @ [-1, 1]
    expected = {}
    for by, weights in zip(findings.MEASURES, DETAIL.weights, strict=True):
        votes = [np.average(labels, weights=w) for labels, w in zip(DETAIL.labels, weights, strict=True)]
        design = np.stack([DETAIL.labels.mean(1), DETAIL.truth], 1)
        left = [
            part - LinearRegression().fit(design, part).predict(design) for part in (odds, np.array(votes))
        ]
        expected[by] = np.corrcoef(left)[0, 1]
        assert estimates_details.tells(DETAIL, by, seed=0).value == pytest.approx(expected[by], abs=1e-5)
    found, embedded = estimates_details.tells_more(DETAIL, findings.PREDICTIONS, seed=0), expected["MiniLM"]
    assert found.estimate.value == pytest.approx(expected[findings.PREDICTIONS] - embedded, abs=1e-5)
    assert found.control == pytest.approx(embedded, abs=1e-5)


@pytest.mark.parametrize("method", findings.METHODS)
def test_calibration_fixes_a_planted_bias_and_other_prompts_priors_do_not(method):
    table = estimates_details.flips_after(DETAIL, None)
    for s, p in ((0, 0), (3, 7), (7, 11)):
        answers = DETAIL.ordered[s, :, p].argmax(-1)
        assert table[s, p] == pytest.approx(
            np.mean([answers[i] != answers[j] for i in range(4) for j in range(i)])
        )
    assert table.mean() > 0.3 and not estimates_details.flips_after(DETAIL, method).any()
    steadier = estimates_details.steadies(DETAIL, method, seed=0)
    assert steadier.estimate.high < 0 and steadier.estimate.value == pytest.approx(-steadier.control)
    same = replace(DETAIL, prior=np.broadcast_to(DETAIL.prior[:, :1], DETAIL.prior.shape))
    assert estimates_details.steadies(same, method, seed=0).estimate.value == 0


def test_pictures_show_what_is_estimated():
    alone = steering(seed=1).answers.copy()
    alone[CONDITIONS.index(TEMPLATE)] = alone[CONDITIONS.index(ONE_LINE)] = np.nan
    ladder = {"small 1M": steering(seed=1, answers=alone), "this run": steering(seed=2)}
    names = ("effects", "labels", "perturbed", "orders", "retrieval")
    effects, labels, perturbed, orders, _ = (getattr(pictures, name)(ladder, seed=0) for name in names)
    for one in ladder.values():
        followed = estimates.follows_flipped(one, seed=0)
        assert shows(effects.figure.axes[0], followed.estimate.value, followed.control)
        right = estimates.probability(one, FLIPPED, seed=0).value, estimates.mean_zero_shot(one)
        assert shows(labels.figure.axes[0], *right, estimates.kernel_right(one, FLIPPED), 1 / 3)
        assert shows(perturbed.figure.axes[0], estimates.accuracy(one, RANDOM, seed=0).value)
    assert "another template or separator: this run" in orders.alt and "another order: small 1M" in orders.alt
    names = ("calibration", "retrievers", "demonstrations")
    of_details = [getattr(pictures, name)({"this run": DETAIL}, seed=0).figure for name in names]
    (axes,) = of_details[0].axes
    assert rows(axes) == ["none", *findings.METHODS]
    assert shows(axes, estimates_details.flips_after(DETAIL, findings.METHODS[0], elsewhere=True).mean())
