"""What the head explorer shows, against scipy one prompt at a time, and read back from its own page."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from bs4 import BeautifulSoup
from scipy.stats import spearmanr

from iclnb.errors import IclnbError
from iclnb.heads import estimates_explorer, explorer, explorer_view, material
from iclnb.llm.models import LoadedModel
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.tiny

SIMILARITY = "prediction similarity"
NASTY = '</script><script>alert(1)</script> <b title="x">&amp; $x$ naïve'


def test_shares_of_variance_are_squared_rank_correlations():
    rng = np.random.default_rng(0)
    weights, feature = rng.random((5, 2, 3, 7)).round(1), rng.random((5, 7)).round(1)  # with ties
    found = explorer.rank_r2(weights, feature)
    for prompt, layer, head in itertools.product(range(5), range(2), range(3)):
        expected = spearmanr(weights[prompt, layer, head], feature[prompt]).statistic ** 2
        assert found[prompt, layer, head] == pytest.approx(expected, abs=1e-12)
    assert explorer.rank_r2(np.ones((1, 4)), np.arange(4.0)[None]).tolist() == [0], "nothing varies"


def planted(by, k=12, prompts=60, noise=0.1):
    """Weights of two heads of which (0, 1) follows a feature, or neither does."""
    rng = np.random.default_rng(1)
    features = {explorer.POSITION: np.tile(np.arange(k), (prompts, 1)), SIMILARITY: rng.random((prompts, k))}
    weights = rng.random((prompts, 1, 2, k))
    if by:
        weights[:, 0, 1] = features[by].argsort(-1).argsort(-1) / k + noise * rng.random((prompts, k))
    kept = SimpleNamespace(weights={"maximum": weights})
    return SimpleNamespace(
        longest=kept, features=features, head=(0, 1), selecting=np.arange(prompts) % 2 == 0
    )


@pytest.mark.parametrize(("by", "expected"), [(explorer.POSITION, 0.9), (SIMILARITY, -0.9), (None, 0.0)])
def test_a_head_that_follows_one_feature_is_told_from_one_that_follows_another(by, expected):
    evidence = estimates_explorer.position_beyond(planted(by), SIMILARITY, seed=0)
    assert evidence.estimate.value == pytest.approx(expected, abs=0.1)
    assert abs(evidence.control) < 0.02, "permuted weights follow neither"
    assert evidence.estimate.low < evidence.estimate.value < evidence.estimate.high


def test_only_the_chosen_head_and_the_judging_prompts_count():
    found = planted(explorer.POSITION)
    before = estimates_explorer.position_beyond(found, SIMILARITY, seed=0)
    found.longest.weights["maximum"][found.selecting] = 1.0
    found.longest.weights["maximum"][:, 0, 0] = 1.0
    after = estimates_explorer.position_beyond(found, SIMILARITY, seed=0)
    assert tuple(before.estimate) == tuple(after.estimate) and before.control == after.control


@pytest.fixture(scope="module")
def found():
    tokenizer = tiny.tokenizers()["gpt2"]
    model = tiny.model("llama", vocab_size=len(tokenizer)).eval()
    reader = Reader(LoadedModel(model, tokenizer, {"name": "tiny"}))
    settings = {"k": 4, "sets": 1, "points": 8, "fresh": 8, "data_seed": 0, "demonstration_seed": 1}
    drawn = material.draw_material(tokenizer, "movie_snippets", source="packaged", **settings)
    return explorer.explore(reader, drawn, (2, 4), share=0.5, seed=0), reader


@pytest.mark.packaged
def test_a_shorter_prompt_shows_the_first_demonstrations_of_the_longest(found):
    explored, reader = found
    drawn = explored.material
    for k, weights in explored.weights.items():
        assert weights.weights["maximum"].shape == (8, 3, 4, k)
        np.testing.assert_array_equal(weights.labels, drawn.fresh.labels[:, :k])
    again = reader.kernel_weights(drawn.fresh_prompts, drawn.wording, drawn.truth)
    np.testing.assert_array_equal(explored.longest.weights["maximum"], again.weights["maximum"])


@pytest.mark.packaged
def test_the_pages_numbers_are_those_measured(found):
    explored, _ = found
    page = explorer.for_page([explored], shown=3)
    task = page["tasks"][0]
    shape = page["layers"], page["heads"]
    assert len(task["prompts"]) == 3 and page["head"] == list(explored.head)
    for i, prompt in enumerate(task["prompts"]):
        assert list(prompt["labels"]) == [
            explored.material.rows.labels[row] for row in explored.material.fresh.rows[i]
        ]
        for k in (2, 4):
            raw = explored.weights[k].weights["maximum"][i]
            shares = np.array(prompt["shares"][str(k)].split(), dtype=float).reshape(*shape, k) / 1000
            for layer, head in np.ndindex(shape):
                np.testing.assert_allclose(
                    shares[layer, head], raw[layer, head] / sum(raw[layer, head]), atol=6e-4
                )
            said = np.array(prompt["answers"][str(k)].split(), dtype=int)
            assert said.argmax() == explored.weights[k].answers[i].argmax() and 99 <= said.sum() <= 101
    shown = np.array(task["maps"]["4"][SIMILARITY].split(), dtype=float).reshape(shape)
    np.testing.assert_allclose(shown / 100, explored.follows(SIMILARITY, 4).mean(0), atol=6e-3)


def test_sizes_are_read_or_refused():
    assert explorer.sizes("16, 4,8,4") == (4, 8, 16)
    for text in ("", "4,x", "1,4", "4;8"):
        with pytest.raises(IclnbError, match="ks is"):
            explorer.sizes(text)


@pytest.mark.packaged
def test_what_rows_and_names_say_is_text_and_the_table_stands_without_scripts(found):
    explored, _ = found
    page = explorer.for_page([explored], shown=1)
    page["tasks"][0]["prompts"][0]["texts"][0] = page["tasks"][0]["prompts"][0]["query"] = NASTY
    view = BeautifulSoup(explorer_view.view(page, NASTY).data, "html.parser")
    assert [script.get("type") for script in view.find_all("script") if not script.has_attr("src")] == [
        "application/json"
    ]
    assert not view.find_all(["b", "i", "img"]) and view.figure["data-title"] == NASTY
    assert json.loads(view.find("script").string) == page
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in view.select("tbody tr")]
    weights = explored.longest.weights["maximum"][0][explored.head]
    assert [row[4] for row in rows] == [f"{100 * w:.1f} %" for w in weights / weights.sum()]
    assert rows[0][1] == NASTY and len(rows) == 4
