"""Every causal architecture of the installed transformers: attention is captured exactly, or refused."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from llm.attention import configurations
from throwaway import ROOT

from iclnb.site import architectures_page

EXACT = ["gpt_neo", "mvp", "doge"]
"""Those that the other tests of capture do not try."""
REFUSED = ["qwen3_next", "mamba", "reformer"]


def swept(kinds):
    """The outcome of each, from a process of its own for each."""
    command = [sys.executable, "tests/llm/attention/sweep.py", *kinds]
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=paths, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_some_architectures():
    """Windows of 6, 24 and 200 tokens; not causal; eager, sdpa; padding; prefixes of 1, 20, 45 tokens."""
    outcomes = {o["architecture"]: o for o in swept(EXACT + REFUSED)}
    assert {name: o for name, o in outcomes.items() if o["status"] not in ("exact", "refused")} == {}
    assert [name for name, o in outcomes.items() if o["status"] == "exact"] == EXACT
    assert all(outcomes[name]["reason"] for name in REFUSED)


@pytest.mark.sweep
def test_every_architecture():
    outcomes = swept(configurations.TYPES)
    assert [o["architecture"] for o in outcomes] == list(configurations.TYPES)
    assert [o for o in outcomes if o["status"] in ("crash", "wrong")] == []
    counted = Counter(o["status"] for o in outcomes)
    assert counted["exact"] >= 130 and counted["not built"] <= 15, counted


def test_the_recorded_sweep_has_no_crash_and_nothing_wrong_and_its_page_lists_all():
    outcomes = json.loads(architectures_page.recorded(ROOT).read_text())["architectures"]
    counts = architectures_page.counts(outcomes)
    assert counts["crash"] == counts["wrong"] == 0 and counts["exact"] > 0
    assert [o["architecture"] for o in outcomes] == list(configurations.TYPES)
    assert all(o["reason"] for o in outcomes if o["status"] in ("refused", "not built"))
    lines = architectures_page.page(ROOT).splitlines()
    assert sum(line.startswith("| ") for line in lines) == len(outcomes) - counts["exact"] + 2
    assert lines[-1].count(",") == counts["exact"] - 1
    assert f"{counts['exact']} exact, {counts['refused']} refused" in "\n".join(lines)
