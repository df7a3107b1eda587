"""What notebook 03 does, on tiny random models of other architectures with their tokeniser classes."""

import json

import numpy as np
import pytest
import tiny
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import GemmaTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

from iclnb.heads import agreement, effects, interventions, kernel, probes, study, table, token_view
from iclnb.llm import kernel_weights
from iclnb.llm.attention import prepare
from iclnb.llm.models import load
from iclnb.llm.reading import read

pytestmark = pytest.mark.tiny

WORDS = ("plot", "cast", "score", "pace", "tone")


def gemma_like():
    """Spaces as ▁ at the head of a word, one piece a word at most, an opening token."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    letters = [chr(i) for i in range(33, 127)] + ["\n", "▁"]
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=letters)
    text = "Review: a good film\nSentiment: good\n\nReview: a bad one\n: bad"
    made.train_from_iterator([text] * 5, trainer)
    bos = [("<bos>", made.token_to_id("<bos>"))]
    made.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=bos)
    return made


def tokenizer(architecture):
    plain = tiny.tokenizers()
    if architecture == "gemma2":
        return GemmaTokenizer(tokenizer_object=gemma_like())
    kinds = {"gptj": (GPT2Tokenizer, "gpt2"), "qwen2": (Qwen2Tokenizer, "gpt2"),
             "llama": (PreTrainedTokenizerFast, "llama3")}  # fmt: skip
    cls, source = kinds[architecture]
    return cls(tokenizer_object=plain[source].backend_tokenizer, eos_token="<s>")


@pytest.fixture(params=["gptj", "llama", "qwen2", "gemma2"])
def loaded(request, tmp_path):
    """The model as a user has it: a folder that is loaded by name."""
    words = tokenizer(request.param)
    rope = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    changes = {"rope_parameters": rope} if request.param == "llama" else {}
    model = tiny.model(request.param, vocab_size=len(words), **changes)
    model.save_pretrained(tmp_path / "model")
    words.save_pretrained(tmp_path / "model")
    return load(str(tmp_path / "model"), device="cpu")


@pytest.fixture
def material(loaded, tmp_path, monkeypatch):
    (tmp_path / "sst2").mkdir()
    for split, size in (("train", 40), ("validation", 12)):
        rows = [{"sentence": f"{split} {i} {WORDS[i % 5]}", "label": i % 2} for i in range(size)]
        (tmp_path / "sst2" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    return study.gather(loaded.tokenizer, "sst2", k=4, sets=3, points=12, fresh=12, data_seed=0,
                        demonstration_seed=1)  # fmt: skip


def test_every_step_runs_and_layers_keep_their_numbers(loaded, material):
    truth, pad = material.truth, loaded.tokenizer.pad_token_id
    config = loaded.model.config
    shape = config.num_hidden_layers, config.num_attention_heads
    variants = kernel_weights.VARIANTS
    shared = kernel.weigh_sets(loaded, material.shared, truth, material.tokens, variants=variants)
    own = kernel.weigh(loaded, material.fresh, truth, material.tokens)
    assert shared.weights["label"].shape == (3, 12, *shape, 4)
    chosen = agreement.split(12, 0.5, seed=0)
    cosines = study.likeness(material, study.lexical_similarity) + 1.0
    row = table.row("sst2", shared, chosen, {"BM25": cosines}, permutations=5, seed=0)
    found = agreement.agree(own, chosen, corrected=True, permutations=5, seed=0)
    assert row.agreement.by_head().shape == found.by_head().shape == shape

    heads = interventions.best_heads(found.selection, 2)
    prompts = [prompts for prompts in material.shared if len(set(prompts[0].labels)) == 2]
    means = interventions.mean_outputs(loaded.model, prompts[0], pad_token_id=pad)
    whole = effects.answered(loaded, prompts, material.tokens)
    assert whole.shape == (len(prompts), 12, 2) and np.isfinite(whole).all()
    ablated = effects.answered(loaded, prompts, material.tokens, edit=interventions.ablate(heads, means))
    swapped = effects.answered(loaded, prompts, material.tokens, alter=effects.swapping(0))
    assert np.abs(ablated - whole).max() > 1e-6 and np.abs(swapped - whole).max() > 1e-6

    cut = probes.gather((prepare(loaded.model, p[0].input_ids), p[0]) for p in material.shared)
    probed = probes.probe(cut.values, cut, cut.labels, folds=3, shuffles=2, seed=0)
    assert np.nanmax(probed.accuracy[..., probes.OFFSETS.index(0)]) == 1.0  # the label's own token
    one = next(read(loaded.model, material.fresh[:1], pad_token_id=pad))
    page = token_view.token_view(loaded.tokenizer, material.fresh[0], one.attention, head=heads[0]).data
    assert f"layer {heads[0][0]}, head {heads[0][1]}" in page
