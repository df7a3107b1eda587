"""The estimates of chapter 02 on attention that is known, and against scipy's intervals."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from iclnb.allocation import estimates, pictures
from iclnb.allocation.findings import FIRST_TOKEN, GROUPS, LABELS, QUERY_END, Allocation

PROMPTS, LAYERS = 40, 28


def allocation(**by_group):
    """Attention of the trained model by group, of any shape that broadcasts; random weights have 1."""
    ratio = np.ones((2, len(GROUPS), PROMPTS, LAYERS))
    for name, values in by_group.items():
        ratio[0, GROUPS.index(name.replace("_", " "))] = values
    return Allocation(ratio=ratio, by_head=np.ones((len(GROUPS), LAYERS, 2)), map=np.ones((LAYERS, 5)), k=2)


def noise(scale=0.3):
    return np.exp(np.random.default_rng(0).normal(0, scale, (PROMPTS, 1)))


def test_shares_are_means_over_prompts_with_students_interval():
    found = allocation(labels=4 * noise())
    evidence = estimates.share(found, LABELS, found.middle, seed=0)
    drawn = 4 * noise()[:, 0]
    assert evidence.estimate.value == pytest.approx(drawn.mean(), rel=1e-3) and evidence.control == 1
    low, high = ttest_1samp(drawn, 0).confidence_interval()
    assert evidence.estimate.low == pytest.approx(low, rel=0.03)
    assert evidence.estimate.high == pytest.approx(high, rel=0.03)


def test_ratios_are_of_geometric_means_and_stay_positive():
    early = np.ones((PROMPTS, LAYERS))
    early[:, :3] = 6 * noise(1.5)
    found = allocation(query_end=early)
    estimate, control, _ = estimates.times_elsewhere(found, QUERY_END, found.first, seed=0)
    assert estimate.value == pytest.approx(6 * np.exp(np.log(noise(1.5)).mean()), rel=1e-3)
    assert 0 < estimate.low < estimate.value < estimate.high and control == pytest.approx(1)
    found = allocation(labels=9 * noise(), label_control=3.0)
    texts = estimates.times_texts(found, found.middle, seed=0).estimate
    assert texts.value == pytest.approx(3 * np.exp(np.log(noise()).mean()), rel=1e-3)
    assert estimates.times_texts(allocation(), found.middle, seed=0).estimate.value == pytest.approx(1)


def test_the_part_of_some_layers_adds_up():
    found = allocation(first_token=np.arange(1.0, LAYERS + 1))
    first = estimates.share_of_all_layers(found, FIRST_TOKEN, found.first, seed=0).estimate.value
    rest = np.setdiff1d(np.arange(LAYERS), found.first)
    others = estimates.share_of_all_layers(found, FIRST_TOKEN, rest, seed=0).estimate.value
    assert first + others == pytest.approx(1, abs=1e-4) and first == pytest.approx(6 / 406, abs=1e-4)


@pytest.mark.parametrize(("start", "overlap"), [(16, 1), (14, 4 / 6), (19, 3 / 6), (2, 0)])
def test_the_window_that_attends_most_to_labels(start, overlap):
    labels = np.ones((PROMPTS, LAYERS))
    labels[:, start : start + 6] = 5 * noise()
    estimate, control, _ = estimates.window_overlap(allocation(labels=labels), seed=0)
    assert estimate.value == pytest.approx(overlap) == estimate.low == estimate.high
    windows = [len({*range(s, s + 6)} & {*range(16, 22)}) / 6 for s in range(23)]
    assert control == pytest.approx(np.mean(windows))
    split = np.ones((PROMPTS, LAYERS))
    split[::2, 16:22], split[1::2, 2:8] = 5, 5.0 + 1e-3
    assert estimates.window_overlap(allocation(labels=split), seed=0).estimate.low == 0


def test_profiles_are_means_over_prompts_of_every_run():
    rng, runs = np.random.default_rng(0), {}
    for name in ("SmolLM2-135M", "GPT-J-6B", "this run"):
        ratio = rng.lognormal(size=(2, len(GROUPS), PROMPTS, LAYERS))
        by_head = rng.lognormal(size=(len(GROUPS), LAYERS, 2))
        runs[name] = Allocation(ratio=ratio, by_head=by_head, map=rng.random((LAYERS, 5)), k=2)
    panels = pictures.depth_profiles(runs, seed=0).figure.axes
    for axes, group in zip(panels, pictures.PANELS, strict=True):
        drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
        for name, one in runs.items():
            np.testing.assert_allclose(drawn[name], one.ratio[0, GROUPS.index(group)].mean(0), rtol=1e-5)
    heads = pictures.label_heads(runs).figure.axes
    assert [len(axes.collections[0].get_offsets()) for axes in heads] == [2 * LAYERS] * 3
    assert len(pictures.averaged_maps(runs).figure.axes) == 3 + 1  # and a colour bar
