"""What each claim of notebook 03 compares with what, on numbers small enough to work out by hand."""

import numpy as np
import pytest

from iclnb.claims import Results
from iclnb.heads import agreement, kernel, probes, table, verdicts
from iclnb.heads.kernel import Weighed


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def claims_of(record, *args, **settings):
    results = Results("claims", {})
    record(results, *args, seed=0, **settings)
    return {claim.id: claim for claim in results.claims}


def test_ablation_compares_what_is_left_of_the_separation():
    base, best, drawn, elsewhere = (np.full((2, 30), x) for x in (2.0, 0.5, 1.5, 1.8))
    found = claims_of(verdicts.causes.ablation, base, best, [drawn, drawn + 0.2], elsewhere)
    for name, difference, cost in (("random", 1.1, 0.4), ("elsewhere", 1.3, 0.2)):
        claim = found[f"ablation-{name}"]
        assert claim.estimate.value == pytest.approx(difference)
        assert claim.control == pytest.approx(cost)
    nothing = claims_of(verdicts.causes.ablation, base, drawn, [drawn], drawn)  # it costs, and so do they
    assert {claim.verdict for claim in nothing.values()} == {"not supported"}


def test_following_compares_the_middle_with_the_whole_model_and_with_other_layers():
    base, middle, others = (np.full((2, 30), x) for x in (2.0, 0.5, 1.8))
    found = claims_of(verdicts.causes.following, base, middle, others)
    assert found["values-followed"].estimate.value == pytest.approx(1.5)
    assert found["values-followed"].control == pytest.approx(0.2)
    assert found["values-middle"].estimate.value == pytest.approx(1.3)
    alike = claims_of(verdicts.causes.following, base, middle, middle)
    assert alike["values-followed"].verdict == "supported"
    assert alike["values-middle"].verdict == "not supported"


def correlated(a, b):
    """Correlation over everything once each demonstration's mean over test points is off."""
    a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_similarity_chooses_on_one_part_and_judges_on_the_other_against_the_strongest_rival(rng):
    sets, points, k = 2, 60, 5
    likeness = {
        part: {name: rng.normal(size=(sets, points, k)) for name in ("prediction", "weak", "strong")}
        for part in ("selection", "evaluation")
    }
    noise = {part: rng.normal(size=(sets, points, 2, 2, k)) for part in likeness}
    weights = {part: 0.1 * noise[part] for part in likeness}
    weights["selection"][:, :, 0, 1] += likeness["selection"]["prediction"]
    weights["evaluation"][:, :, 0, 1] += (
        likeness["evaluation"]["strong"] + 0.3 * likeness["evaluation"]["prediction"]
    )
    weights["evaluation"][:, :, 1, 0] += likeness["evaluation"]["prediction"]  # better, but too late
    results = Results("claims", {})
    chosen = verdicts.similarity.similarity(results, weights, likeness, permutations=20, seed=0)
    assert set(chosen.values()) == {(0, 1)}
    claims = {claim.id: claim for claim in results.claims}
    own = weights["evaluation"][:, :, 0, 1]
    reached = {name: correlated(own, other) for name, other in likeness["evaluation"].items()}
    claim = claims["similarity-rivals"]
    assert "strong similarity" in claim.statement and claim.verdict == "not supported"
    assert claim.estimate.value == pytest.approx(reached["prediction"] - reached["strong"])
    assert claim.control == pytest.approx(reached["strong"])
    beyond = claims["similarity-query-dependent"].estimate.value
    assert reached["prediction"] - 0.5 < beyond < reached["prediction"]  # less a quantile of the null


def test_the_two_maps_come_from_different_test_points(rng):
    lead, shape = (2, 60), (2, 3)
    labels = rng.integers(2, size=(*lead, 6))
    weights = rng.random((*lead, *shape, 6))
    said = np.log(rng.dirichlet([1, 1], size=lead))
    found = Weighed({"maximum": weights}, labels, said, rng.integers(2, size=lead))
    keep = agreement.split(60, 0.5, seed=1)
    likeness = {"evaluation": {"prediction": rng.random((2, 30, 6))}}
    claims = claims_of(verdicts.similarity.same_map, found, likeness, keep)
    votes = np.stack([(weights * (labels == c)[..., None, None, :]).sum(-1) for c in (0, 1)], -1).argmax(-1)
    hits = (votes == said.argmax(-1)[..., None, None])[:, keep].mean((0, 1))
    judged = weights[:, ~keep]
    by_head = np.array([correlated(judged[:, :, i, j], likeness["evaluation"]["prediction"])
                        for i in range(2) for j in range(3)])  # fmt: skip
    expected = np.corrcoef(by_head, hits.ravel())[0, 1]
    assert claims["map-query-dependent"].estimate.value == pytest.approx(expected)


def answering(share, seed, points=400):
    """Prompts that the model answers as head (0, 1) does, but for a share answered at random."""
    rng = np.random.default_rng(seed)
    labels, weights = rng.integers(2, size=(points, 5)), rng.random((points, 1, 2, 5))
    votes = kernel.reconstruct(weights, labels, 2)[:, 0, 1]
    lost = rng.random(points) < share
    said = np.where(lost[:, None], rng.dirichlet([1, 1], size=points), votes)
    truth = np.where(rng.random(points) < 0.8, said.argmax(-1), rng.integers(2, size=points))
    return Weighed({"maximum": weights}, labels, np.log(said + 1e-3), truth)


def test_table_2_is_judged_in_the_task_that_does_worst():
    keep = agreement.split(400, 0.5, seed=0)
    settings = {"permutations": 40, "seed": 0}
    rows, parts = [], {}
    for name, share in (("easy", 0.0), ("hard", 1.0), ("middling", 0.4)):
        found = parts[name] = answering(share, seed=len(rows))
        oracle = np.where(found.labels == found.truth[:, None], 1.0, -1.0)  # an encoder that knows the answer
        cosine = oracle if name == "middling" else np.random.default_rng(9).random(found.labels.shape)
        rows.append(table.row(name, found, keep, {"MiniLM": cosine}, **settings))
    blind = agreement.agree(answering(1.0, seed=7), keep, corrected=True, **settings)
    claims = claims_of(verdicts.table.tasks, rows, blind)
    easy, hard, middling = rows
    raw, controls, encoders = (claims[f"table-{name}-fresh"] for name in ("raw", "controls", "encoders"))
    assert "worst task: hard" in raw.statement and "worst task: hard" in controls.statement
    said = parts["hard"].said[~keep].argmax(-1)
    modal = np.bincount(said).max() / len(said)
    assert raw.estimate.value == pytest.approx(hard.agreement.best.mean() - modal)
    assert {claim.verdict for claim in (raw, controls)} & {"supported"} == set()
    assert "worst task: middling" in encoders.statement and encoders.verdict == "not supported"
    hits = middling.encoder_hits["MiniLM, bandwidth chosen"]
    assert hits.mean() > 0.9
    assert encoders.estimate.value == pytest.approx(middling.agreement.performance.mean() - hits.mean())
    alone = claims_of(verdicts.table.tasks, [easy], blind)
    assert alone["table-raw-fresh"].verdict == alone["table-controls-fresh"].verdict == "supported"


def test_against_the_last_label_only_such_prompts_count():
    keep = agreement.split(400, 0.5, seed=0)
    found = agreement.agree(answering(0.3, seed=3), keep, corrected=True, permutations=40, seed=0)
    blind = agreement.agree(answering(1.0, seed=4), keep, corrected=True, permutations=40, seed=0)
    claims = claims_of(verdicts.agreement.fresh, (found, blind))
    against = found.target != answering(0.3, seed=3).labels[~keep][:, -1]
    assert 0.2 < against.mean() < 0.8
    fresh, last = claims["fresh-controls"], claims["fresh-against-last"]
    for claim, hits in ((fresh, found.best), (last, found.best[against])):
        assert claim.estimate.value == pytest.approx(hits.mean() - claim.control)
    reached = [found.blind.majority, found.blind.recency, found.averaged]
    rivals = [(answer == found.target)[against].mean() for answer in reached]
    random = blind.best[blind.target != blind.blind.last].mean()
    assert last.control == pytest.approx(max(*rivals, random, np.quantile(found.permuted_against, 0.95)))


def test_probes_are_chosen_on_every_other_set_and_judged_on_the_rest():
    shape = (10, 2, 2, len(probes.OFFSETS))
    at = verdicts.probes.AT_LABEL
    accuracy, blind = np.full(shape, 0.5), np.full(shape, 0.6)
    accuracy[::2, 1, 0, at], accuracy[1::2, 1, 0, at] = 0.9, 0.8
    accuracy[1::2, 0, 0, at] = 1.0  # better on the judging sets alone
    majority, control = np.full((10, len(probes.OFFSETS)), 0.4), np.full((3, *shape), 0.45)
    made = [probes.Probed(each, control, majority, classes=3) for each in (accuracy, blind)]
    claims = claims_of(verdicts.probes.features, "keys", "a word", *made)
    assert claims["keys-raw"].estimate.value == pytest.approx(0.4)
    assert claims["keys-raw"].control == pytest.approx(0.05)
    assert claims["keys-learned"].estimate.value == pytest.approx(0.2)
    assert claims["keys-learned"].control == pytest.approx(0.2)
    means = np.nanmean(accuracy, axis=(1, 2))
    assert claims["keys-position"].estimate.value == pytest.approx((means[:, at] - 0.5).mean())
