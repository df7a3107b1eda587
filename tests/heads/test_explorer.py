"""What the head explorer shows, against scipy one prompt at a time, and read back from its own page."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from bs4 import BeautifulSoup
from scipy.stats import spearmanr

from iclnb.heads import estimates_appendix, explorer, explorer_view, material
from iclnb.heads.explorer import EMBEDDING, FEATURES, POSITION, PREDICTION
from iclnb.ladders import HERE, Ladder, Rung

pytestmark = pytest.mark.tiny

NASTY = '</script><script>alert(1)</script> <b title="x">&amp; $x$ naïve'
SETTINGS = {
    "task": "movie_snippets", "source": "packaged", "model": "tiny", "revision": None, "device_map": None,
    "dtype": None, "batch_size": 8, "k": 4, "prompts": 12, "shown": 3, "data_seed": 0, "demonstration_seed": 1,
    "sampling_seed": 3,
}  # fmt: skip
RUN = SimpleNamespace(**SETTINGS)


def test_shares_of_variance_are_squared_rank_correlations():
    rng = np.random.default_rng(0)
    weights, feature = rng.random((5, 2, 3, 7)).round(1), rng.random((5, 7)).round(1)  # with ties
    found = explorer.rank_r2(weights, feature)
    for prompt, layer, head in itertools.product(range(5), range(2), range(3)):
        expected = spearmanr(weights[prompt, layer, head], feature[prompt]).statistic ** 2
        assert found[prompt, layer, head] == pytest.approx(expected, abs=1e-12)
    assert explorer.rank_r2(np.ones((1, 4)), np.arange(4.0)[None]).tolist() == [0], "nothing varies"


@pytest.mark.wrong_arguments  # the part of the findings that is judged
def test_position_is_compared_with_a_similarity():
    chosen = np.tile([[0.7], [0.2], [0.1]], (1, 30)) + 0.05 * np.random.default_rng(0).normal(size=(3, 30))
    found = SimpleNamespace(chosen=chosen, shuffled=np.full((3, 30), 0.1))
    for rival, expected in ((PREDICTION, 0.5), (EMBEDDING, 0.6)):
        evidence = estimates_appendix.position_beyond(found, rival, seed=0)
        assert evidence.estimate.value == pytest.approx(expected, abs=0.03) and evidence.control == 0
        assert evidence.estimate.low < evidence.estimate.value < evidence.estimate.high <= 1


@pytest.fixture(scope="module")
def reader():
    return tiny.reader("gpt2")


@pytest.fixture(scope="module")
def found(reader):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer, "load_reader", lambda *_, **__: reader)
        return explorer.measure(RUN)


@pytest.fixture(scope="module")
def drawn(reader):
    run = SimpleNamespace(**SETTINGS, sets=0, points=0, fresh=12)
    return material.draw_material(reader.tokenizer, material.explorer_rows(RUN), run)


@pytest.mark.packaged
def test_findings_are_those_of_every_prompt_by_itself(found, reader, drawn):
    weights = reader.kernel_weights(drawn.fresh_prompts, drawn.wording, drawn.rows.truth)
    own = weights.weights["maximum"]
    np.testing.assert_allclose(found.share, (own / own.sum(-1, keepdims=True))[:3], rtol=3e-3)
    np.testing.assert_array_equal(found.rows, drawn.fresh.rows[:3])
    r2 = [spearmanr(own[i, 2, 1], np.arange(4)).statistic ** 2 for i in range(12)]
    assert found.followed[0, 2, 1] == pytest.approx(np.mean(r2), abs=1e-3)
    powers = np.exp(weights.answers[:3])
    np.testing.assert_allclose(found.probability, powers / powers.sum(-1, keepdims=True), atol=1e-3)
    assert found.chosen.shape == found.shuffled.shape == (3, 12)
    assert 0.15 < found.shuffled.mean() < 0.5  # by chance a third


@pytest.mark.packaged
def test_the_pages_numbers_are_those_measured_and_its_texts_those_of_the_rows(
    found, drawn, tmp_path, monkeypatch
):
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    rungs = [
        Rung("", found, SimpleNamespace(**SETTINGS), {"model": {"name": "tiny-1m"}}, {}, Path("a record")),
        Rung(HERE, found, SimpleNamespace(**SETTINGS | {"task": "sst2", "source": "local"}), {}, {}, None),
    ]
    here, recorded = explorer_view.pages(Ladder("03c", rungs))
    assert (here["title"], recorded["title"]) == (HERE, "tiny-1M")
    texts, shape = drawn.rows.texts(drawn.rows.pool), (here["layers"], here["heads"])
    for i, (mine, bare) in enumerate(zip(recorded["prompts"], here["prompts"], strict=True)):
        for shown, row in zip(mine["texts"], drawn.fresh.rows[i], strict=True):
            start = shown.removesuffix(" …")
            assert " ".join(texts[row].split()).startswith(start) and len(start) > 5
        assert bare["texts"] == [f"row {row}" for row in found.rows[i]]  # a task whose rows are not at hand
        assert mine["labels"] == [drawn.rows.labels[row] for row in drawn.fresh.rows[i]]
        shares = np.array(mine["shares"].split(), dtype=float).reshape(*shape, 4) / 1000
        np.testing.assert_allclose(shares, found.share[i], atol=6e-4)
        said = np.array(mine["answers"].split(), dtype=int)
        assert said.argmax() == found.probability[i].argmax() and 99 <= said.sum() <= 101
    shown = np.array(here["maps"][PREDICTION].split(), dtype=float).reshape(shape)
    np.testing.assert_allclose(shown / 100, found.followed[FEATURES.index(PREDICTION)], atol=6e-3)
    assert (
        here["head"] == list(np.unravel_index(found.agreement.argmax(), shape)) and POSITION in here["maps"]
    )


@pytest.mark.packaged
def test_what_rows_and_names_say_is_text_and_the_table_stands_without_scripts(found):
    run = explorer_view.page(found, NASTY, None)
    run["prompts"][0]["texts"][0] = run["prompts"][0]["query"] = NASTY
    view = BeautifulSoup(explorer_view.view([run]).data, "html.parser")
    assert [script.get("type") for script in view.find_all("script") if not script.has_attr("src")] == [
        "application/json"
    ]
    assert not view.find_all(["b", "i", "img"])
    assert json.loads(view.find("script").string) == [run]
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in view.select("tbody tr")]
    share = found.share[0][found.head]
    assert [float(row[4].removesuffix(" %")) for row in rows] == pytest.approx(100 * share, abs=0.06)
    assert rows[0][1] == NASTY and len(rows) == 4
