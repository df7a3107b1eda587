"""Planted mechanisms are told apart by the chapter's own functions; random weights give none."""

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
