"""Studies: seeds, stacking, intervals, and agreement with the functions they repeat."""

import numpy as np
import pytest

from iclnb.bayes import Kernels, families, material, sequences, study, theory

DESIGN = material.Design(2, 6, 5, 3, families.softmax(20.0), threshold=1e-4)


def small_run(hmms, **changes):
    seeds = {"hmm_seed": 1, "prompt_seed": 2, "shuffle_seed": 3, **changes}
    return study.run(DESIGN, ["belief", "labels only"], [1, 8], hmms, 10, shuffled=["belief"], **seeds)


def test_each_seed_governs_its_own_part():
    base = small_run(3)
    np.testing.assert_array_equal(
        small_run(2).table("distance", "belief"), base.table("distance", "belief")[:2]
    )
    reshuffled = small_run(3, shuffle_seed=4)
    np.testing.assert_array_equal(base.table("distance", "belief"), reshuffled.table("distance", "belief"))
    shuffled = [s.table("distance", "belief", shuffled=True)[:, 1] for s in (base, reshuffled)]
    assert not np.array_equal(*shuffled)
    other_prompts, other_hmms = small_run(3, prompt_seed=5), small_run(3, hmm_seed=5)
    for other in (other_prompts, other_hmms):
        assert not np.array_equal(other.without, base.without)


def test_intervals_and_summaries_are_over_hmms():
    found = small_run(4)
    table = found.table("distance", "belief")
    estimate = found.estimate("distance", "belief", seed=0)
    np.testing.assert_allclose(estimate.value, table.mean(axis=0))
    assert (estimate.low <= estimate.value).all()
    assert (estimate.value <= estimate.high).all()
    gap = found.gap("belief", [0.5, 0.25], seed=0)
    assert gap.value == pytest.approx(np.abs(table.mean(axis=0) - [0.5, 0.25]).mean())
    ratio = found.ratio("belief", 8, ("labels only", 1), seed=0)
    expected = table[:, 1].mean() / found.table("distance", "labels only")[:, 0].mean()
    assert ratio.value == pytest.approx(expected)
    assert ratio.low <= ratio.value <= ratio.high
    assert found.limit("belief").shape == (4,)


def test_appendix_c_has_the_sizes_of_the_paper_and_takes_changes():
    design = material.appendix_c()
    assert (design.tasks, design.states, design.observations) == (8, 80, 100)
    mixture = material.appendix_c(closed=False, length=2).mixture(0)
    assert mixture.transition[0, 10:].any()
    assert not design.mixture(0).transition[0, 10:].any()
    assert (mixture.tasks, mixture.states, mixture.observations) == (8, 80, 100)


def test_theorem_study_stacks_what_theory_computes():
    design = material.Design(2, 3, 4, 3, families.dirichlet(1.0), starts="single", closed=False)
    found = study.theorem(design, ["printed", "ratio"], [10, 1000, 100_000], 2, 4, hmm_seed=0, prompt_seed=1)
    kernels = Kernels(design.mixture((0, 1)), sequences.every(4, 3))
    assert found.bound[1] == theory.bound(kernels, 0).value
    assert found.floor["printed"][1] == theory.floor(kernels, "printed", 0).median
    assert found.worst["ratio"][1] == theory.floor(kernels, "ratio", 0).worst
    np.testing.assert_array_equal(found.rank, [9, 9])
    errors = theory.converge(kernels, ["printed", "ratio"], 0, [10, 1000, 100_000], 4, (1, 1))
    np.testing.assert_array_equal(found.to_limit["ratio"][1], errors.to_limit["ratio"])
    late = np.log(errors.to_limit["ratio"][2] / errors.to_limit["ratio"][1]) / np.log(100)
    assert found.slopes("ratio", "to_limit", 1000)[1] == pytest.approx(late)
