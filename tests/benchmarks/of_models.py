"""Ways to read a language model: attention of the last token, and many questions on the same demonstrations.

Each is a function of the place (folder of the model, device) that gives a function from a size to the
:class:`contender.Work` of that size. Tokens are random: the cost is the same.
"""

from functools import cache, partial
from pathlib import Path

import numpy as np
from contender import NotHere, Work

LARGER = ("qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")
"""Packaged models that are timed where they have been fetched."""


def loaded(place, implementation):
    """A function that gives the model, all of it or its first layers, in the dtype of the place."""
    import torch
    from transformers import AutoModelForCausalLM

    @cache
    def of(layers=None):
        settings = {"attn_implementation": implementation, "local_files_only": True}
        settings["dtype"] = getattr(torch, place["dtype"])
        changes = {} if layers is None else {"num_hidden_layers": layers}
        model = AutoModelForCausalLM.from_pretrained(place["model"], **settings, **changes)
        return model.eval().to(place["device"])

    of()
    return of


def reading(run, *about):
    """Work that needs no gradients, as what this project does keeps none."""
    import torch

    return Work(torch.no_grad()(run), *about)


def drawn(model, tokens, seed=0):
    """Random tokens, one prompt."""
    import torch

    ids = np.random.default_rng(seed).integers(model.config.vocab_size, size=(1, tokens))
    return torch.from_numpy(ids).to(model.device)


def rows_of(attentions):
    """The last row of every layer of one prompt."""
    return np.stack([layer[0, :, -1].float().cpu().numpy() for layer in attentions])


def _capture(implementation, work):
    """A way to read one prompt: ``work(model, ids)``."""

    def way(place):
        of = loaded(place, implementation)

        def at(tokens, layers=None):
            model = of(layers)
            ids = drawn(model, tokens)
            return reading(lambda: work(model, ids))

        return at

    return way


def _nothing(model, ids):
    model(ids, logits_to_keep=1, use_cache=False)


def _last_tokens(model, ids):
    from iclnb.llm.attention import last_token_attention

    return last_token_attention(model, ids)[:, 0].cpu().numpy()


def _all_but_one(model, ids):
    from iclnb.llm.attention import shared_prefix_attention

    return shared_prefix_attention(model, ids[0, :-1], ids[:, -1:])[0][:, 0].cpu().numpy()


def _eager(model, ids):
    found = model(ids, logits_to_keep=1, use_cache=False, output_attentions=True)
    return rows_of(found.attentions)


def lens(place):
    """TransformerLens: the patterns of all layers are cached."""
    from transformer_lens.model_bridge import TransformerBridge

    model, tokenizer = loaded(place, "eager")(), _tokenizer(place)
    bridge = TransformerBridge.boot_transformers(place["model"], hf_model=model, tokenizer=tokenizer)
    layers = range(model.config.num_hidden_layers)

    def run(ids):
        _, kept = bridge.run_with_cache(ids, names_filter=lambda name: name.endswith("attn.hook_pattern"))
        return rows_of([kept[f"blocks.{layer}.attn.hook_pattern"] for layer in layers])

    return lambda tokens: reading(partial(run, drawn(model, tokens)))


def nnsight(place):
    """nnsight: of each layer the last row alone is saved."""
    import nnsight as library

    model = loaded(place, "eager")()
    traced = library.TransformersModel(model, tokenizer=_tokenizer(place), task="text-generation")

    def run(ids):
        with traced.trace(ids):
            rows = library.save([])
            for layer in traced.model.layers:
                rows.append(layer.self_attn.output[1][:, :, -1:].clone())
        return rows_of(list(rows))

    return lambda tokens: reading(partial(run, drawn(model, tokens)))


def _tokenizer(place):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(place["model"], local_files_only=True)


# --- many test points under the same demonstrations ---------------------------------------------------------


def _suffixes(queries, suffix):
    """Lengths of queries, ``suffix`` on average."""
    return np.random.default_rng(1).integers(suffix // 2, suffix + suffix // 2 + 1, size=queries)


def _shared(dtype, larger=None):
    """:class:`iclnb.llm.reader.Reader` on ``sets`` of ``shown`` demonstrations with ``queries`` each,
    ``batch`` of them in a pass.

    ``larger`` names a packaged model in place of the benchmark's own; it is never fetched for this. A
    folder of the place's ``larger`` with that name is read instead.
    """

    def way(place):
        from iclnb.llm import models
        from iclnb.llm.data import packaged
        from iclnb.llm.reader import Reader

        own = {Path(folder).name: folder for folder in place.get("larger", ())}
        if larger and larger not in own and not packaged.is_here(larger):
            raise NotHere(f"not fetched: iclnb fetch {larger}")
        known = models.load(own.get(larger, larger) or place["model"], device=place["device"], dtype=dtype)

        def at(sets, queries, shown, tokens, suffix, batch):
            prefix, lengths = shown * tokens, _suffixes(queries, suffix)
            prompts = [p for s in range(sets) for p in _prompts(known.model, prefix, lengths, (2, s))]
            need = gflop(known.model.config, prefix, lengths)
            return reading(lambda: _read(Reader(known, batch_size=batch), prompts), sets * queries, need)

        return at

    return way


def _read(reader, prompts):
    for reading in reader.read(prompts):
        if reading.index == 0:
            first = reading.attention[:, :, :64]
    return first


def _prompts(model, prefix, lengths, seed):
    from iclnb.llm.prompts import Prompt, Span

    begin = drawn(model, prefix, seed)[0].tolist()
    for i, length in enumerate(lengths):
        ids = (*begin, *drawn(model, int(length), (*seed, i))[0].tolist())
        yield Prompt("", ids, (), (), (), Span(prefix, len(ids)), ())


def one_by_one(place):
    """Eager attention of whole prompts: of the first, and of three with lengths spread over all."""
    of = loaded(place, "eager")

    def at(sets, queries, shown, tokens, suffix, batch):
        import torch

        model, lengths = of(), _suffixes(queries, suffix)
        chosen = [0, *np.argsort(lengths)[len(lengths) // 6 :: -(-len(lengths) // 3)]]
        begin = drawn(model, shown * tokens, (2, 0))
        rows = [torch.cat([begin, drawn(model, int(lengths[i]), (2, 0, i))], dim=1) for i in chosen]

        def run():
            found = [_eager(model, ids)[:, :, :64] for ids in rows]
            return found[0]

        return reading(run, len(rows))

    return at


def gflop(config, prefix, lengths):
    """What one query needs on top of its demonstrations: linear layers, attention, one row of logits."""
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    keys = width * config.num_key_value_heads // config.num_attention_heads
    linear = 2 * width * (2 * width + 2 * keys + 3 * inner) * lengths
    attention = 4 * width * lengths * (prefix + lengths / 2)
    return float((layers * (linear + attention) + 2 * width * config.vocab_size).mean() / 1e9)


def _product(dtype):
    """The machine's rate: products of two square matrices."""

    def way(place):
        import torch

        def at(width):
            a, b = torch.randn(2, width, width, device=place["device"]).to(getattr(torch, dtype))
            return Work(lambda: [a @ b for _ in range(8)] and None, 8, 2 * width**3 / 1e9)

        return at

    return way


WAYS = {
    "no attention": _capture("sdpa", _nothing),
    "last_token_attention": _capture("sdpa", _last_tokens),
    "prefix of all but one": _capture("sdpa", _all_but_one),
    "transformers, eager": _capture("eager", _eager),
    "nnsight": nnsight,
    "TransformerLens": lens,
    "shared, float32": _shared("float32"),
    "shared, bfloat16": _shared("bfloat16"),
    **{f"larger, {name}": _shared("bfloat16", name) for name in LARGER},
    "one by one, eager": one_by_one,
    "product, float32": _product("float32"),
    "product, bfloat16": _product("bfloat16"),
}
