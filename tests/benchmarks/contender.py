"""One way to do a piece of work, in a process of its own: it works when asked to, and says what that took.

``python contender.py WAY '{"model": FOLDER, ...}'`` prints a line of JSON when it is ready, then answers each
line of its standard input, a size, with time, memory and a sample of what came out; ``{"memory": true, ...}``
is a run for its memory alone. It imports nothing of this project unless its way does, so that peers run in an
environment of their own.
"""

import contextlib
import ctypes
import gc
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

LIBRARIES = ("torch", "transformers", "transformer-lens", "nnsight", "jax", "hmmlearn", "dynamax")


class Work(NamedTuple):
    """What is timed.

    Attributes:
        run: does it; returns an array to compare with those of other ways, or ``None``.
        points: how many test points (or steps) one run is for.
        gflop: floating-point operations that one point needs, in units of 10⁹.
    """

    run: Callable[[], Any]
    points: int = 1
    gflop: float | None = None


class NotHere(Exception):
    """What a way needs is not on this machine; the message says how to get it."""


def measured(work: Work, device: str) -> dict[str, Any]:
    """Seconds of a run, megabytes at its peak above what the process held before, and 64 of its numbers."""
    peak = _Peak(device)
    start = time.perf_counter()
    found = work.run()
    peak.wait()
    seconds = time.perf_counter() - start
    sample = [] if found is None else [float(x) for x in found.reshape(-1)[:: -(-found.size // 64)]]
    about = {"points": work.points, "gflop": work.gflop}
    return {"seconds": seconds, "megabytes": peak.megabytes(), "sample": sample, **about}


def answer(at: Callable[..., Work], size: dict[str, Any], device: str) -> dict[str, Any]:
    """:func:`measured`, of a size as it was asked for: with ``memory``, for its memory alone."""
    if size.pop("memory", False):
        _give_back_at_once()
    return measured(at(**size), device)


def _give_back_at_once() -> None:
    """From now on large blocks go back to the system when they are freed, so that a peak is what is in use.

    By default glibc keeps freed blocks, more of them the larger they were; a run is a little slower without.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").mallopt(_MMAP_THRESHOLD, 2**20)


_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of malloc.h."""


class _Peak:
    """The largest memory since this was made, above what there was then: of the process, or of the GPU."""

    def __init__(self, device: str):
        self.cuda = None
        gc.collect()
        if device == "cuda":
            import torch

            self.cuda = torch.cuda
            self.cuda.empty_cache()
            self.cuda.synchronize()
            self.cuda.reset_peak_memory_stats()
            self.before = self.cuda.memory_allocated() / 2**20
            return
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier runs left
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        self.before = _status("VmRSS")

    def wait(self) -> None:
        if self.cuda:
            self.cuda.synchronize()

    def megabytes(self) -> float | None:
        if self.cuda:
            return self.cuda.max_memory_allocated() / 2**20 - self.before
        return None if self.before is None else _status("VmHWM") - self.before


def _status(field: str) -> float | None:
    """A line of /proc/self/status, in MB; ``None`` outside Linux."""
    if not Path("/proc/self/status").is_file():
        return None
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def main(way: str, place: dict[str, Any]) -> None:
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no reply

    def say(**reply: Any) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    import of_models
    import of_theory
    from contender import NotHere  # this file is __main__, and the ways import it by its name

    try:
        at = (of_models.WAYS | of_theory.WAYS)[way](place)
    except (ImportError, NotHere) as error:
        say(missing=str(error) if isinstance(error, NotHere) else f"{type(error).__name__}: {error}")
        return
    say(versions={name: _version(name) for name in LIBRARIES if name.replace("-", "_") in sys.modules})
    for line in sys.stdin:
        try:
            reply = answer(at, json.loads(line), place["device"])
        except (RuntimeError, MemoryError) as error:  # as PyTorch says that memory is short
            reply = {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:200]}
        say(**reply)


def _version(name: str) -> str:
    return importlib.metadata.version(name).split("+")[0]


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
