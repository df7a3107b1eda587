"""Evidence of chapter 02 by hand and against numpy; its pictures and its answer say what the data say."""

import numpy as np
import pytest
import tiny
import torch

from iclnb import claims, stats
from iclnb.allocation import estimates, material, measurements, pictures
from iclnb.allocation.groups import FIRST_TOKEN, GROUPS, LABEL_CONTROL, LABELS, QUERY_END
from iclnb.allocation.measurements import Allocation
from iclnb.claims import Claim, Evidence
from iclnb.llm.data.tasks import get
from iclnb.llm.demonstrations import TaskRows
from iclnb.llm.models import LoadedModel
from iclnb.llm.reader import Reader
from iclnb.stats import Estimate

RNG = np.random.default_rng(0)
LAYERS, MIDDLE = 5, np.array([2, 3])


def allocation(**shift):
    """Random ratios of 12 prompts around 1, moved for some groups in the middle layers."""
    ratio = {name: 1 + 0.01 * RNG.normal(size=(12, LAYERS)) for name in GROUPS}
    for name, by in shift.items():
        ratio[name.replace("_", " ")][:, MIDDLE] += by
    return Allocation(ratio, ratio, np.full((LAYERS, 2, 1 + 31 * 2 + 30), 0.01))


FOUND = estimates.Measured(allocation(labels=2.0, first_token=3.0, label_control=0.5), allocation())


@pytest.mark.parametrize(
    ("evidence", "number"),
    [
        (estimates.share(FOUND, FIRST_TOKEN, seed=0), lambda r: r[FIRST_TOKEN].mean(1)),
        (estimates.share(FOUND, LABELS, MIDDLE, seed=0), lambda r: (r[LABELS][:, 2] + r[LABELS][:, 3]) / 2),
        (
            estimates.share_outside(FOUND, QUERY_END, MIDDLE, seed=0),
            lambda r: (r[QUERY_END][:, 0] + r[QUERY_END][:, 1] + r[QUERY_END][:, 4]) / 3,
        ),
        (
            estimates.more_than_elsewhere(FOUND, LABELS, MIDDLE, seed=0),
            lambda r: r[LABELS][:, 2:4].mean(1) - r[LABELS][:, [0, 1, 4]].mean(1),
        ),
        (
            estimates.labels_over_texts(FOUND, MIDDLE, seed=0),
            lambda r: r[LABELS][:, 2:4].mean(1) - r[LABEL_CONTROL][:, 2:4].mean(1),
        ),
    ],
)
def test_evidence_is_a_mean_over_prompts_beside_random_weights(evidence, number):
    per_prompt = number(FOUND.learned.ratio)
    expected = stats.interval(per_prompt, seed=0)
    np.testing.assert_allclose(evidence.estimate, expected)
    assert evidence.estimate.value == pytest.approx(sum(per_prompt) / len(per_prompt))
    assert evidence.control == pytest.approx(number(FOUND.random.ratio).mean())


def test_windows_are_means_of_neighbouring_layers():
    ratio = np.array([[1.0, 2.0, 6.0, 4.0], [3.0, 2.0, 0.0, 2.0]])
    assert estimates.windows(ratio, 2).tolist() == [2.0, 2.5, 3.0]


def judged(id, interval):
    evidence = Evidence(Estimate(np.mean(interval), *interval), 1.0, "random weights")
    return Claim(id, "A", "5.1", "s", claims.above(1), *evidence)


def test_the_answer_follows_the_verdicts():
    ids = ["query-end-first-layers", "first-token", "labels-middle-layers", "labels-not-texts"]
    intervals = [(2, 3), (0.1, 0.5), (0.9, 1.2), (0.2, 0.3)]
    lines = estimates.answer([judged(*pair) for pair in zip(ids, intervals, strict=True)]).splitlines()[2:]
    expected = [
        "end of the query draws more",
        "does *not* draw",
        "may or may not draw",
        "words do *not* draw",
    ]
    for line, words in zip(lines, expected, strict=True):
        assert words in line
    assert "2.5 [2.0, 3.0]" in lines[0]


def test_pictures_say_what_they_show():
    shown = pictures.averaged_map(FOUND.learned, 2, shown_layers={"middle": MIDDLE})
    assert "5 layers by 2 heads" in shown.alt and "3 times in the middle ones" in shown.alt
    both = (estimates.by_layer(each, seed=0) for each in FOUND)
    profiles = pictures.depth_profiles(*both, first=np.array([0]), middle=MIDDLE)
    assert [axes.get_title() for axes in profiles.figure.axes] == list(pictures.PANELS)
    for name in GROUPS:
        peak = FOUND.learned.ratio[name].mean(0).argmax()
        assert f"{name} at most" in profiles.alt and f"(layer {peak})" in profiles.alt


def rows_of(count):
    rows = [{"text": f"a film number {i}", "label": i % 2} for i in range(count)]
    return TaskRows(get("movie_snippets"), rows[6:], rows[:6], [])


@pytest.mark.tiny
def test_prompts_and_one_picture_from_a_model():
    """The way of the notebook, against eager attention."""
    tokenizer, k = tiny.tokenizers()["llama3"], 3
    prompts = material.fresh_prompts(tokenizer, rows_of(40), k, seed=1)
    assert all(len(prompt.labels) == k for prompt in prompts)
    assert len({prompt.text[: prompt.query.start] for prompt in prompts}) > 1  # fresh demonstrations
    reader = Reader(LoadedModel(tiny.model("llama", vocab_size=len(tokenizer)), tokenizer, {}))
    found = measurements.measure(reader, prompts, tail=3, seed=0)
    one = pictures.one_prompt(reader, prompts[0])
    with torch.no_grad():
        ids = torch.tensor([prompts[0].input_ids])
        eager = reader.loaded.model(ids, output_attentions=True).attentions
    first = np.mean([layer[0, :, -1, 0].numpy() for layer in eager])
    assert f"draws {first:.0%} of the attention" in one.alt
    assert found.mass[FIRST_TOKEN][0].mean() == pytest.approx(first, abs=1e-5)
