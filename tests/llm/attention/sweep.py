"""Attention capture tried on every causal architecture of the installed transformers.

``PYTHONPATH=.:tests python tests/llm/attention/sweep.py [types]`` tries each in a process of its own and
writes one JSON line for it; ``--record`` also writes the data of the book's table. The oracle is the model's
own ``output_attentions=True`` under eager attention: for the prompts of a batch the same call, for a shared
prefix each full prompt alone, unpadded.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers
from llm.attention import configurations
from transformers import logging

from iclnb.llm.attention import CaptureError, attend, last_token_attention, prepare
from iclnb.paths import replacing
from iclnb.site import architectures_page

LIMIT = 120
"""Seconds for one architecture."""
TOLERANCE = 1e-5
SUFFIXES = (12, 5, 1)
_ORDER = ("crash", "wrong", "not built", "refused", "exact")


@dataclass(frozen=True)
class Outcome:
    """What became of one architecture: of last-token attention, and of prompts with a shared prefix.

    Attributes:
        last_token, shared_prefix, status: exact, refused, wrong, crash or not built; the last is the worse.
    """

    architecture: str
    last_token: str
    shared_prefix: str
    status: str
    reason: str
    seconds: float


def padded(lengths: tuple[int, ...], padding: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ordinary tokens, and a mask that leaves ``lengths`` of them on the left, on the right or all."""
    tokens, generator = max(lengths), torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 60, (len(lengths), tokens), generator=generator)
    columns, real = torch.arange(tokens), torch.tensor(lengths)[:, None]
    mask = {"none": columns >= 0, "right": columns < real, "left": columns >= tokens - real}[padding]
    return ids, mask.expand(len(lengths), -1).long()


@torch.no_grad()
def by_itself(model, ids, mask=None) -> tuple[torch.Tensor, torch.Tensor]:
    """The last real tokens' rows under eager attention, and the log-probabilities of the next token."""
    found = model(input_ids=ids, attention_mask=mask, output_attentions=True)
    last = [ids.shape[1] - 1] * len(ids) if mask is None else [int(row.nonzero().max()) for row in mask]
    rows = torch.stack([torch.stack([m[b, :, i] for b, i in enumerate(last)]) for m in found.attentions])
    rows = rows if mask is None else rows * mask[None, :, None]
    logits = torch.stack([found.logits[b, i] for b, i in enumerate(last)])
    return rows.float(), logits.float().log_softmax(-1)


@torch.no_grad()
def is_causal(model) -> bool:
    """Whether the last token leaves alone what the model says at the tokens before it."""
    ids, _ = padded((20, 20), "none", 3)
    ids[1, :-1] = ids[0, :-1]
    ids[1, -1] = (ids[0, -1] + 7) % 50 + 5
    one, other = (model(input_ids=ids[i : i + 1]).logits[0, :-1] for i in (0, 1))
    return bool((one - other).abs().max() < 1e-4 * one.abs().max().clamp(min=1))


def last_token_cases(model, oracle) -> Iterator[str]:
    """Differences of last-token attention, one text for each case that is not exact."""
    for lengths in ((21, 13, 9), (1, 12), (50, 33)):
        for padding in ("none", "right", "left"):
            ids, mask = padded(lengths, padding, 0)
            got = last_token_attention(model, ids, mask)
            yield from _differences(f"{lengths} {padding}", got, by_itself(oracle, ids, mask)[0])


def shared_prefix_cases(model, oracle, lengths=(1, 20, 45)) -> Iterator[str]:
    """Differences of attention over a shared prefix, one text for each case that is not exact."""
    for before in lengths:
        prefix = padded((before,), "none", 1)[0][0]
        for padding in ("none", "right", "left"):
            suffixes, mask = padded(SUFFIXES, padding, 2)
            got = attend(model, prepare(model, prefix.tolist()), suffixes, mask)
            for i, real in enumerate(mask.bool()):
                rows, logs = by_itself(oracle, torch.cat([prefix, suffixes[i, real]])[None])
                places = torch.cat([torch.ones(before, dtype=torch.bool), real])
                case = f"prefix {before}, {padding}, {int(real.sum())} tokens"
                yield from _differences(case, got[0][:, i][..., places], rows[:, 0])
                if got[0][:, i][..., ~places].any():
                    yield f"{case}: attention to padding"
                yield from _differences(f"{case}, logits", got[1][i], logs[0], 10 * TOLERANCE)


def _differences(case: str, got, want, tolerance: float = TOLERANCE) -> Iterator[str]:
    if got.shape != want.shape:
        yield f"{case}: shape {tuple(got.shape)}, not {tuple(want.shape)}"
    elif not (got - want).abs().max() <= tolerance:
        yield f"{case}: off by {float((got - want).abs().max()):.1e}"


def _try(cases, model, oracle, causal: bool) -> tuple[str, str]:
    """Status and reason of all cases of one function with one model."""
    try:
        wrong = list(cases(model, oracle))
    except CaptureError as error:
        return "refused", str(error).split("): ", 1)[-1]
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "crash", f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    if not causal:
        return "wrong", "a later token changes earlier ones, and it is not refused"
    return ("wrong", "; ".join(wrong[:3])) if wrong else ("exact", "")


def _variants(kind: str) -> Iterator[tuple[str, object]]:
    """Configurations of one architecture: small windows, larger ones than a probe sees, none; not causal."""
    config = configurations.configuration(kind)
    names = configurations.settings(config)
    yield "windows of 6", config
    if any(map(configurations.WINDOWS.fullmatch, names)):
        yield "windows of 24", configurations.configuration(kind, window=24)
        yield "windows of 200", configurations.configuration(kind, window=200)
    yield "not causal", configurations.configuration(kind, causal=False)


def tried(kind: str) -> Outcome:
    """One architecture in this process: all its variants, eager and sdpa."""
    start, worst = time.monotonic(), {}
    for variant, config in _variants(kind):
        try:
            oracle = configurations.model(config, "eager")
            causal = is_causal(oracle)
        except Exception as error:
            if worst:
                continue  # the variant cannot be built; the architecture can
            return _outcome(kind, {}, f"{type(error).__name__}: {error}", start)
        for implementation in ("eager", "sdpa") if oracle._supports_sdpa else ("eager",):
            model = configurations.model(config, implementation)
            for name, cases in (("last_token", last_token_cases), ("shared_prefix", shared_prefix_cases)):
                status, reason = _try(cases, model, oracle, causal)
                if variant == "not causal" and status == "refused":
                    continue
                if status in ("wrong", "crash"):
                    reason = f"{variant}, {implementation}: {reason}"
                worst[name] = min(worst.get(name, (status, reason)), (status, reason), key=_rank)
    return _outcome(kind, worst, "", start)


def _rank(found: tuple[str, str]) -> int:
    return _ORDER.index(found[0])


def _outcome(kind: str, worst: dict, reason: str, start: float) -> Outcome:
    found = {name: worst.get(name, ("not built", reason)) for name in ("last_token", "shared_prefix")}
    status = min((f[0] for f in found.values()), key=_ORDER.index)
    reasons = list(dict.fromkeys(f[1] for f in found.values() if f[1]))
    short = " / ".join(" ".join(r.split())[:300] for r in reasons)
    states = {name: f[0] for name, f in found.items()}
    return Outcome(kind, **states, status=status, reason=short, seconds=round(time.monotonic() - start, 2))


def in_its_own_process(kind: str) -> Outcome:
    """:func:`tried` in a child, so that the death of the interpreter is an outcome like any other."""
    start = time.monotonic()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT)
        try:
            result = json.dumps(asdict(tried(kind)))
        except BaseException as error:
            failed = {"last_token": ("not built", f"{type(error).__name__}: {error}")}
            result = json.dumps(asdict(_outcome(kind, failed, failed["last_token"][1], start)))
        os.write(writing, result.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if text:
        return Outcome(**json.loads(text))
    died = f"the interpreter died ({signal.Signals(os.waitstatus_to_exitcode(status) * -1).name})"
    return _outcome(kind, {"last_token": ("crash", died), "shared_prefix": ("crash", died)}, "", start)


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    record = "--record" in arguments
    kinds = [a for a in arguments if not a.startswith("--")] or configurations.TYPES
    outcomes = []
    for kind in kinds:
        outcomes.append(in_its_own_process(kind))
        print(json.dumps(asdict(outcomes[-1])), flush=True)
    counts = {status: sum(o.status == status for o in outcomes) for status in _ORDER}
    print(counts, f"{sum(o.seconds for o in outcomes):.0f} s", file=sys.stderr)
    if record:
        recorded = {"transformers": transformers.__version__, "architectures": [asdict(o) for o in outcomes]}
        with replacing(architectures_page.recorded(Path.cwd())) as file:
            file.write_text(json.dumps(recorded, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
