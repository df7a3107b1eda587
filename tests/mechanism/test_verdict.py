"""Planted mechanisms are told apart by the chapter's own functions; random weights give none."""

from types import SimpleNamespace

import numpy as np
import planted
import pytest
import torch

from iclnb.mechanism import verdict

pytestmark = pytest.mark.tiny


def test_a_planted_kernel_head_is_a_kernel(kernel):
    for one in kernel.conditions.values():
        assert one.verdict.name == verdict.KERNEL, one.verdict
        assert one.best[0] == (2, 3) and one.likeness[1].value > 0.5


def test_a_head_that_copies_labels_whatever_the_query_is_induction(counting):
    for one in counting.conditions.values():
        assert one.verdict.name == verdict.INDUCTION, one.verdict
        assert one.verdict.decided.value < 0.1


def test_a_head_that_reports_a_decision_made_elsewhere_is_a_report(report):
    for one in report.conditions.values():
        assert one.verdict.name == verdict.REPORT, one.verdict
        assert (3, 3) in one.best and one.agreement.value > 0.95


def test_random_weights_give_no_verdict(study_of):
    model, generator = planted.plant(), torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.loaded.model.named_parameters():
            if "attn" in name and name.endswith("weight"):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.02)
    for one in study_of(model).conditions.values():
        assert one.verdict.name == verdict.NONE, one.verdict


def test_shares_add_up(kernel):
    for one in kernel.conditions.values():
        assert sum(share.value for share in one.verdict.shares.values()) == pytest.approx(1)
        assert sum(share.value for share in one.verdict.effects.values()) == pytest.approx(1)


def test_doubt_about_likeness_is_doubt_about_the_kernel(monkeypatch):
    """Sets whose likeness lies about the bound: the kernel may have no share, or all that it could."""
    rng, sets = np.random.default_rng(3), 20
    size = {"query": 0.1, "labels": 0.1, "both": 0.8}
    found = {name: mean * rng.uniform(0.9, 1.1, sets) for name, mean in size.items()}
    monkeypatch.setattr(verdict, "effects", lambda first, second: found)
    monkeypatch.setattr(verdict, "slope", lambda *about: (np.full(sets, 0.01), np.ones(sets)))
    about = verdict.LIKE + rng.permutation(np.linspace(-0.3, 0.31, sets))

    def share(*measures):
        runs, likeness = SimpleNamespace(of=lambda *about: None), np.stack(measures, axis=1)
        made = verdict.verdict(
            runs, next(iter(verdict.CONDITIONS)), 2, likeness=likeness, above_null=True, seed=1
        )
        return made.shares[verdict.KERNEL]

    low, unsure, higher = share(about - 0.6), share(about), share(about + 0.04)
    sure = share(about - 0.6, np.full(sets, np.nan), about + 0.6)
    assert low == (0, 0, 0)
    assert unsure.value == sure.value == pytest.approx(0.99 * 0.8, rel=0.05)
    assert sure.low > 0.7 and unsure.low < 0.1 and unsure.high > 0.7
    assert higher.value == sure.value and higher.low < 0.1, "no single set decides, yet a redraw may"
