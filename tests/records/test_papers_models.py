"""Every model of ``sweeps/papers.toml``, tiny and random, from a hub on the loopback interface to findings."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from hub_server import Hub, Repository, serve
from throwaway import ROOT
from transformers import AutoConfig, AutoModelForCausalLM

from iclnb import findings
from iclnb.allocation import material
from iclnb.allocation.findings import GROUPS, Allocation
from iclnb.llm.demonstrations import task_rows
from iclnb.llm.loading import catalogue, places
from iclnb.records import records, sweep

pytestmark = pytest.mark.tiny

LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 64}  # fmt: skip
LIKE = {
    "EleutherAI/gpt-j-6b": ("gptj", "gpt2", {}),
    "meta-llama/Llama-2-7b-hf": ("llama", "llama2", {"num_key_value_heads": 4}),
    "meta-llama/Meta-Llama-3-8B": ("llama", "llama3", {"rope_theta": 5e5}),
    "meta-llama/Llama-3.1-8B-Instruct": ("llama", "llama3", {"rope_parameters": LLAMA3}),
    "Qwen/Qwen2.5-7B-Instruct": ("qwen2", "llama3", {}),
}
"""Of each model the architecture, the family of its tokenizer, and what sets it apart within these."""

MEASURE = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from iclnb.allocation.measure import measure
from iclnb.records import needs
from iclnb.records.records import Cell

models = [{"model": name} for name in json.loads(sys.argv[2])]
models += [{"model": "owner/gated", "revision": "main"}, {"model": "owner/none", "revision": "main"}]
cells = [Cell("02_attention_allocation", model) for model in models]
print(json.dumps(needs.models(Path.cwd(), cells)))
for name, file in json.loads(sys.argv[2]).items():
    found = measure(SimpleNamespace(**json.loads(sys.argv[1]), model=name))
    found.save(Path(file), {"origin": found.origins["model"]})
"""
RUN = {"task": "tickets", "source": "local", "revision": None, "device_map": None, "dtype": "float32", "k": 2,
       "prompts": 3, "tail": 3, "batch_size": 2, "data_seed": 0, "demonstration_seed": 1, "model_seed": 2,
       "sampling_seed": 3}  # fmt: skip


def named():
    """The models of the sweep."""
    cells = sweep.read(ROOT, ROOT / "sweeps" / "papers.toml")
    return list(dict.fromkeys(records.settings(ROOT, cell).model for cell in cells))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The findings of each, measured by one process that has our server for its hub, and the models themselves."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "iclnb" / "llm" / "data" / "example", home / "data" / "tickets")
    tokenizers, found, repositories = tiny.tokenizers(), {}, {}
    for name in named():
        architecture, family, changes = LIKE[name]
        folder, tokenizer = home / name.replace("/", "-"), tokenizers[family]
        model = tiny.model(architecture, vocab_size=len(tokenizer), **{"num_hidden_layers": 6} | changes)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        repositories[f"models/{name}"] = Repository({places.PINNED[name]: files}, {})
        found[name] = SimpleNamespace(model=model.eval(), tokenizer=tokenizer, file=folder / "findings.nc")
    gated = Repository({"a" * 40: {"config.json": b"{}"}}, {"main": "a" * 40}, gated=True)
    with serve(Hub(repositories | {"models/owner/gated": gated})) as hub:
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hub"), "ICLNB_CACHE": str(home / "cache")}
        files = {name: str(one.file) for name, one in found.items()}
        words = [sys.executable, "-c", MEASURE, json.dumps(RUN), json.dumps(files)]
        environment = {**os.environ, **own, "ICLNB_DATA": str(home / "data")}
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sizes = {name: sum(path.stat().st_size for path in one.file.parent.iterdir() if path != one.file)
             for name, one in found.items()}  # fmt: skip
    return SimpleNamespace(
        home=home, models=found, sizes=sizes, needs=json.loads(done.stdout.splitlines()[0])
    )


def test_the_hub_says_what_is_to_be_downloaded_and_what_is_not_granted(made):
    *open_, gated, none = made.needs
    assert {name: download for name, _, download, *_ in open_} == made.sizes
    assert not any(problem for *_, problem in open_)
    assert "its owner has to grant you access" in gated[-1] and "the hub has no model owner/none" in none[-1]


@pytest.mark.parametrize("name", named())
def test_every_model_of_the_papers_runs_from_its_pinned_commit_to_findings(made, name, monkeypatch):
    """The attention on the first token, against eager attention of the model that the server holds."""
    monkeypatch.setenv("ICLNB_DATA", str(made.home / "data"))
    one = made.models[name]
    found = Allocation.load(one.file)
    assert findings.attributes(one.file)["origin"]["revision"] == places.PINNED[name]
    rows = task_rows("tickets", RUN["prompts"], seed=RUN["data_seed"], source="local")
    expected = []
    for prompt in material.fresh_prompts(one.tokenizer, rows, RUN["k"], seed=RUN["demonstration_seed"]):
        with torch.no_grad():
            maps = one.model(torch.tensor([prompt.input_ids]), output_attentions=True).attentions
        expected.append([layer[0, :, -1, 0].numpy() * len(prompt.input_ids) for layer in maps])
    place = GROUPS.index("first token")
    np.testing.assert_allclose(found.by_head[place], np.mean(expected, axis=0), rtol=1e-4, atol=1e-4)


PUBLISHED = {
    "EleutherAI/gpt-j-6b": ("gptj", {
        "n_embd": 4096, "n_layer": 28, "n_head": 16, "rotary_dim": 64, "vocab_size": 50400}),
    "meta-llama/Llama-2-7b-hf": ("llama", {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
        "vocab_size": 32000}),
    "meta-llama/Meta-Llama-3-8B": ("llama", {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256}),
    "Qwen/Qwen2.5-7B-Instruct": ("qwen2", {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064}),
}  # fmt: skip
"""What their configurations say."""
PUBLISHED["meta-llama/Llama-3.1-8B-Instruct"] = PUBLISHED["meta-llama/Meta-Llama-3-8B"]


@pytest.mark.parametrize("name", named())
def test_the_sizes_that_a_plan_is_made_from_are_those_of_the_models(name):
    architecture, dimensions = PUBLISHED[name]
    config = AutoConfig.for_model(architecture, tie_word_embeddings=False, **dimensions)
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(config)
    assert sum(weight.numel() for weight in built.parameters()) == catalogue.HUB[name][0]
