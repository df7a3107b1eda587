"""One prompt, token by token, coloured by a head's attention: interactive in a page, without a server."""

import html
import json
from collections.abc import Sequence

import numpy as np
from IPython.display import HTML
from jaxtyping import Float, Int
from transformers import PreTrainedTokenizerBase

from iclnb.llm.prompts import Prompt, tokenise

DIGITS = 4
"""Decimal places of the attention weights in the page."""

BUDGET = 700_000
"""Characters of attention weights in a page; where they are more, every second, third, ... layer shows."""

_STYLE = """<style>
.iclnb-tokens{--paper:#fff;--ink:#1b1b1b;--hot:8,48,107;--on-hot:#fff;--rule:#b33c00;color-scheme:light;
  background:var(--paper);color:var(--ink);padding:.6em;border-radius:.25em;margin:0}
html[data-theme="dark"] .iclnb-tokens{--paper:#181a1b;--ink:#e6e6e6;--hot:60,120,190;--rule:#ffb37a;
  color-scheme:dark}
@media (prefers-color-scheme:dark){html:not([data-theme="light"]) .iclnb-tokens{--paper:#181a1b;
  --ink:#e6e6e6;--hot:60,120,190;--rule:#ffb37a;color-scheme:dark}}
.iclnb-tokens form{display:flex;gap:1em;flex-wrap:wrap;margin:0 0 .5em}
.iclnb-tokens form[hidden]{display:none}
.iclnb-tokens select{font:inherit;color:var(--ink);background:var(--paper)}
.iclnb-tokens .text{white-space:pre-wrap;line-height:1.75;max-height:24em;overflow:auto;
  border:1px solid rgba(128,128,128,.5);padding:.4em;margin:0}
.iclnb-tokens .text span{background:rgba(var(--hot),var(--a));padding:.1em 0;border-radius:2px}
.iclnb-tokens .text .strong{color:var(--on-hot)}
.iclnb-tokens .text .label{outline:2px solid var(--rule);outline-offset:-1px}
.iclnb-tokens .bar{display:inline-block;width:8em;height:.8em;border:1px solid var(--ink);
  background:linear-gradient(to right,rgba(var(--hot),0),rgba(var(--hot),1))}
.iclnb-tokens figcaption,.iclnb-tokens p{font-size:.9em;margin:.5em 0 0;text-align:left;
  color:var(--ink)!important}
</style>"""

_SCRIPT = """<script>
document.querySelectorAll(".iclnb-tokens:not([data-ready])").forEach(function (root) {
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const spans = Array.from(root.querySelectorAll(".text span"));
  const [layer, head] = root.querySelectorAll("select");
  function show() {
    const row = data.weights[layer.selectedIndex][head.selectedIndex];
    const peak = Math.max(1, ...row.slice(1));
    spans.forEach(function (span, i) {
      const shade = Math.sqrt(Math.min(1, row[i] / peak));
      span.style.setProperty("--a", shade.toFixed(2));
      span.classList.toggle("strong", shade >= 0.6);
      span.title = "token " + i + ": " + (row[i] / data.scale).toFixed(data.digits);
    });
    const most = row.map((weight, i) => [weight, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    root.querySelector(".peak").textContent = (peak / data.scale).toFixed(3);
    root.querySelector(".most").textContent = most.slice(0, data.most).map(([weight, i]) =>
      "\\u201c" + spans[i].textContent.trim() + "\\u201d (" + i + ") " + (weight / data.scale).toFixed(3)
    ).join(", ");
  }
  root.querySelector("form").hidden = false;
  root.querySelector("form").addEventListener("change", show);
  root.dataset.ready = "yes";
  show();
});
</script>"""

_STRONG = 0.6  # darker than this a token's text is written in white
_MOST = 5  # tokens named below the text


def token_view(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    attention: Float[np.ndarray, "layers heads tokens"],
    *,
    head: tuple[int, int],
) -> HTML:
    """The prompt's tokens on a ground that is the darker the more the last token attends to them.

    Layer and head can be chosen in the page; without JavaScript it shows ``head``. The scale goes with the
    square root of the weight, from nothing to the largest weight but the first token's, which as an
    "attention sink" would leave the others pale. Label words are outlined. Weights are in each token's
    tooltip, the largest in a line below.

    Args:
        tokenizer: the one that made the prompt.
        prompt: what is shown.
        attention: the last token's, over all tokens of the prompt.
        head: layer and head shown at first.

    Returns:
        HTML that needs neither network nor server and works in any number on a page.

    Raises:
        ValueError: if the shape of ``attention`` does not fit the prompt, or it has no such head.
    """
    layers, heads, tokens = attention.shape
    if tokens != len(prompt.input_ids) or not (0 <= head[0] < layers and 0 <= head[1] < heads):
        raise ValueError(
            f"attention of shape {attention.shape} does not fit {len(prompt.input_ids)} tokens or head {head}"
        )
    weights = np.rint(attention * 10**DIGITS).astype(int)
    shown, data = _data(weights, head[0])
    texts = token_texts(tokenizer, prompt)
    labels = {token for y in prompt.y for token in y.tokens}
    row = weights[head]
    spans = [
        _span(i, text, level, weight, i in labels)
        for i, (text, level, weight) in enumerate(zip(texts, shades(row), row.tolist(), strict=True))
    ]
    return HTML(
        f'{_STYLE}<figure class="iclnb-tokens mathjax_ignore tex2jax_ignore">'
        f"<form hidden>{_select('Layer', shown, head[0])}{_select('Head', range(heads), head[1])}</form>"
        f'<p class="text" tabindex="0" role="group" aria-label="prompt, token by token">{"".join(spans)}</p>'
        f"{_below(texts, row, head)}"
        f'<script type="application/json">{data}</script></figure>{_SCRIPT}'
    )


def token_texts(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[str]:
    """The characters of each token; a token without any (an opening token) by its name.

    Joined, those that have characters are the prompt's text. Where one character is several tokens, the first
    has it and the others are shown as a dot.
    """
    ids, starts, stops = tokenise(tokenizer, prompt.text)
    texts, reached = [], 0
    for token, start, stop in zip(ids, starts, stops, strict=True):
        if stop > reached:
            texts.append(prompt.text[reached:stop])
        else:
            texts.append("·" if start < stop else str(tokenizer.convert_ids_to_tokens(token)))
        reached = max(reached, stop)
    return texts


def shades(weights: Int[np.ndarray, " tokens"]) -> Float[np.ndarray, " tokens"]:
    """How dark each token's ground is, from 0 to 1: the square root of its share of the largest weight.

    The first token's weight does not set the scale.
    """
    return np.sqrt(np.minimum(1, weights / max(1, weights[1:].max(initial=0))))


def _data(weights: Int[np.ndarray, "layers heads tokens"], first: int) -> tuple[list[int], str]:
    """The layers that fit into :data:`BUDGET`, ``first`` always among them, and their weights as JSON."""
    rows = [json.dumps(layer.tolist(), separators=(",", ":")) for layer in weights]
    shown, step = list(range(len(rows))), 1
    while sum(len(rows[layer]) for layer in shown) > BUDGET and step < len(rows):
        step += 1
        shown = sorted({first, *range(first % step, len(rows), step)})
    head = f'"scale":{10**DIGITS},"digits":{DIGITS},"most":{_MOST},"layers":{json.dumps(shown)}'
    return shown, f'{{{head},"weights":[{",".join(rows[layer] for layer in shown)}]}}'


def _span(i: int, text: str, shade: float, weight: int, label: bool) -> str:
    names = " ".join(name for name, on in (("label", label), ("strong", shade >= _STRONG)) if on)
    visible = html.escape(text).replace("\n", "↵\n")
    title = f"token {i}: {weight / 10**DIGITS:.{DIGITS}f}"
    return f'<span class="{names}" style="--a:{shade:.2f}" title="{title}">{visible}</span>'


def _select(name: str, options: Sequence[int], chosen: int) -> str:
    rows = "".join(
        f"<option{' selected' if option == chosen else ''}>{option}</option>" for option in options
    )
    return f'<label>{name} <select autocomplete="off">{rows}</select></label>'


def _below(texts: Sequence[str], row: Int[np.ndarray, " tokens"], head: tuple[int, int]) -> str:
    """The scale, the tokens with the largest weights in words, and what is to be seen."""
    most = ", ".join(
        f"“{html.escape(texts[i].replace(chr(10), '↵ ').strip())}” ({i}) {row[i] / 10**DIGITS:.3f}"
        for i in np.argsort(-row, kind="stable")[:_MOST]
    )
    peak = max(1, int(row[1:].max(initial=0))) / 10**DIGITS
    return (
        f'<p>0 <span class="bar" role="img" aria-label="colour scale, square root"></span> '
        f'<span class="peak">{peak:.3f}</span> (largest weight but the first token\'s; square-root scale)</p>'
        f'<p aria-live="polite">Most attended: <span class="most">{most}</span></p>'
        f"<figcaption>Attention of the last token; label words are outlined. At first: layer {head[0]}, "
        f"head {head[1]}.</figcaption>"
    )
