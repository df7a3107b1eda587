"""What each claim of chapter 03 compares with what, on numbers small enough to work out by hand."""

import numpy as np
import pytest
from planted import answering

from iclnb.claims import Claim, above
from iclnb.heads import correlation, estimates, estimates_causes, estimates_features, probes
from iclnb.heads.causes import BEST, ELSEWHERE, MIDDLE_VALUES, OTHER_VALUES, RANDOM, WHOLE, Causes
from iclnb.heads.material import split
from iclnb.heads.reconstruction import agree
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.stats import Estimate


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def causes(**separations):
    """Answers of two sets x 30 points, half of either label, with a given separation of the labels."""
    truth = np.tile(np.arange(30) % 2, (2, 1))
    odds = {name: np.multiply.outer(np.atleast_1d(x), (truth - 0.5)) for name, x in separations.items()}
    answers = {name: np.stack([-each, each], axis=-1) / 2 for name, each in odds.items()}
    return Causes(answers, truth, [])


NAMES = {"whole": WHOLE, "best": BEST, "random": RANDOM, "elsewhere": ELSEWHERE}
NAMES |= {"middle": MIDDLE_VALUES, "others": OTHER_VALUES}


def intervened(**separations):
    return causes(**{NAMES[name]: 2 * np.array(x) for name, x in separations.items()})


def test_ablation_compares_what_is_left_of_the_separation():
    found = intervened(whole=2.0, best=0.5, random=[1.5, 1.7], elsewhere=1.8)
    for evidence, difference, cost in (
        (estimates_causes.ablation_beyond_random(found, seed=0), 1.1, 0.4),
        (estimates_causes.ablation_beyond_elsewhere(found, seed=0), 1.3, 0.2),
    ):
        assert evidence.estimate.value == pytest.approx(difference)
        assert evidence.control == pytest.approx(cost)
    nothing = intervened(whole=2.0, best=1.5, random=1.5, elsewhere=1.5)  # it costs, and so do they
    for compare in (estimates_causes.ablation_beyond_random, estimates_causes.ablation_beyond_elsewhere):
        estimate = compare(nothing, seed=0).estimate
        assert above(estimates.NATS).verdict((estimate.low, estimate.high)) == "not supported"


def test_following_compares_the_middle_with_the_whole_model_and_with_other_layers():
    found = intervened(whole=2.0, middle=0.5, others=1.8)
    followed = estimates_causes.follows_values(found, seed=0)
    assert followed.estimate.value == pytest.approx(1.5) and followed.control == pytest.approx(0.2)
    assert estimates_causes.values_in_the_middle(found, seed=0).estimate.value == pytest.approx(1.3)
    alike = intervened(whole=2.0, middle=0.5, others=0.5)
    assert estimates_causes.follows_values(alike, seed=0).estimate.low > 1
    assert estimates_causes.values_in_the_middle(alike, seed=0).estimate.high == pytest.approx(0)


def correlated(a, b):
    """Correlation over everything once each demonstration's mean over test points is off."""
    a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_similarity_chooses_on_one_part_and_judges_on_the_other_against_the_strongest_rival(rng):
    sets, points, k = 4, 120, 5
    selecting = split(points, 0.5, seed=0)
    likeness = {name: rng.normal(size=(sets, points, k)) for name in ("prediction", "weak", "strong")}
    weights = 0.1 * rng.normal(size=(sets, points, 2, 2, k))
    weights[:, selecting, 0, 1] += likeness["prediction"][:, selecting]
    judged = ~selecting
    weights[:, judged, 0, 1] += likeness["strong"][:, judged] + 0.3 * likeness["prediction"][:, judged]
    weights[:, judged, 1, 0] += likeness["prediction"][:, judged]  # better, but too late
    found = KernelWeights({"maximum": weights}, *(np.zeros(()),) * 3)
    strict = correlation.query_dependent
    assert estimates_features.most_alike(found, likeness["prediction"], selecting, strict) == (0, 1)
    reached = {
        name: correlated(weights[:, judged, 0, 1], other[:, judged]) for name, other in likeness.items()
    }
    rivals = estimates_features.follows_more_than_rivals(found, likeness, selecting, seed=0)
    assert "strong similarity" in rivals.control_is and rivals.estimate.high < 0
    assert rivals.estimate.value == pytest.approx(reached["prediction"] - reached["strong"])
    assert rivals.control == pytest.approx(reached["strong"])
    beyond = estimates_features.follows_similarity(
        found, likeness["prediction"], selecting, strict, permutations=20, seed=0
    )
    assert (
        reached["prediction"] - 0.5 < beyond.estimate.value < reached["prediction"]
    )  # less a null's quantile


def test_the_two_maps_come_from_different_test_points(rng):
    lead, shape = (2, 60), (2, 3)
    labels = rng.integers(2, size=(*lead, 6))
    weights = rng.random((*lead, *shape, 6))
    answers = np.log(rng.dirichlet([1, 1], size=lead))
    found = KernelWeights({"maximum": weights}, labels, answers, rng.integers(2, size=lead))
    keep = split(60, 0.5, seed=1)
    likeness = rng.random((2, 60, 6))
    same = estimates_features.same_heads(found, likeness, keep, correlation.query_dependent, seed=0)
    votes = np.stack([(weights * (labels == c)[..., None, None, :]).sum(-1) for c in (0, 1)], -1).argmax(-1)
    hits = (votes == answers.argmax(-1)[..., None, None])[:, keep].mean((0, 1))
    judged = weights[:, ~keep]
    by_head = np.array([correlated(judged[:, :, i, j], likeness[:, ~keep])
                        for i in range(2) for j in range(3)])  # fmt: skip
    expected = np.corrcoef(by_head, hits.ravel())[0, 1]
    assert same.estimate.value == pytest.approx(expected)


def test_against_the_last_label_only_such_prompts_count():
    keep = split(400, 0.5, seed=0)
    found, blind = (
        agree(answering(share, seed=seed), keep, corrected=True, permutations=40, seed=0)
        for share, seed in ((0.3, 3), (1.0, 4))
    )
    against = found.target != answering(0.3, seed=3).labels[~keep][:, -1]
    assert 0.2 < against.mean() < 0.8
    fresh = estimates.beyond_controls(found, blind, seed=0)
    last = estimates.beyond_controls(found, blind, found.against_last, seed=0)
    for evidence, hits in ((fresh, found.best), (last, found.best[against])):
        assert evidence.estimate.value == pytest.approx(hits.mean() - evidence.control)
    reached = [found.blind.majority, found.blind.recency, found.averaged]
    rivals = [(answer == found.target)[against].mean() for answer in reached]
    random = blind.best[blind.target != blind.blind.last].mean()
    assert last.control == pytest.approx(
        max(*rivals, random, np.quantile(found.permuted_against.chosen, 0.95))
    )


def test_probes_are_chosen_on_every_other_set_and_judged_on_the_rest():
    shape = (10, 2, 2, len(probes.OFFSETS))
    at = estimates_features.AT_LABEL
    accuracy, blind = np.full(shape, 0.5), np.full(shape, 0.6)
    accuracy[::2, 1, 0, at], accuracy[1::2, 1, 0, at] = 0.9, 0.8
    accuracy[1::2, 0, 0, at] = 1.0  # better on the judging sets alone
    majority, control = np.full((10, len(probes.OFFSETS)), 0.4), np.full((3, *shape), 0.45)
    made = [probes.Probed(each, control, majority, classes=3) for each in (accuracy, blind)]
    raw = estimates_features.beyond_majority(made[0], seed=0)
    assert (raw.estimate.value, raw.control) == (pytest.approx(0.4), pytest.approx(0.05))
    learned = estimates_features.beyond_random(*made, seed=0)
    assert (learned.estimate.value, learned.control) == (pytest.approx(0.2), pytest.approx(0.2))
    means = np.nanmean(accuracy, axis=(1, 2))
    position = estimates_features.beyond_other_positions(*made, seed=0)
    assert position.estimate.value == pytest.approx((means[:, at] - 0.5).mean())


def test_label_contrast_compares_own_with_other_labels(rng):
    alike, labels = rng.random((3, 10, 4)), rng.integers(2, size=(3, 10, 4))
    truth = np.tile(rng.integers(2, size=10), (3, 1))
    found = KernelWeights({}, labels, np.zeros((3, 10, 2)), truth)
    cells = []
    for s, t in np.ndindex(3, 10):
        own = [alike[s, t, i] for i in range(4) if labels[s, t, i] == truth[s, t]]
        other = [alike[s, t, i] for i in range(4) if labels[s, t, i] != truth[s, t]]
        if own and other:
            cells.append(np.mean(own) - np.mean(other))
    assert 5 < len(cells) < 30
    got = estimates_features.label_contrast(alike, found, seed=0)
    assert got.value == pytest.approx(np.mean(cells) / alike.mean())
    assert got.low < got.value < got.high


def test_the_answer_has_a_line_for_each_question_worded_by_the_verdict():
    intervals = dict.fromkeys(estimates.QUESTIONS, (0.2, 0.4))
    intervals |= {"ablation-random": (-0.4, -0.2), "ablation-direct": (np.nan, np.nan)}
    made = [
        Claim(name, "A", "5", "", above(0.1), Estimate(sum(ends) / 2, *ends), 0.05, "chance")
        for name, ends in intervals.items()
    ]
    lines = estimates.answer(made, "tiny-1m", True).split("\n")
    assert lines[0] == "For tiny-1m, which is not shown to be above chance in this task:"
    said = {line[4:].split("** ")[0]: line.split("** ")[1] for line in lines[2:]}
    for name, (question, _) in estimates.QUESTIONS.items():
        word = {"ablation-random": "No.", "ablation-direct": "Undecided."}.get(name, "Yes.")
        assert said[question].startswith(word) and said[question].endswith("chance: 0.05.")
    assert "0.30 [0.20, 0.40]" in lines[2]
    assert said[estimates.QUESTIONS["ablation-direct"][0]].startswith("Undecided.")
