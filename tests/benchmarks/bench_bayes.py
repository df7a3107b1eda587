"""CPU time of the table of appendix C, against one prompt at a time, hmmlearn, and T_x per prompt.

Run by hand: ``python tests/benchmarks/bench_bayes.py [HMMs] [prompts]``. Everything runs in one process, the
alternatives interleaved on the same prompts; times are CPU seconds, ratios compare cost per prompt.
"""

import sys
import time

import numpy as np
from hmmlearn.hmm import CategoricalHMM
from threadpoolctl import threadpool_limits

from iclnb.bayes import KERNELS, Kernels, experiment, material, operators

ROUNDS, SLICE = 3, 4


def timed(function, *arguments):
    """CPU seconds of a call, and what it returns."""
    start = time.process_time()
    found = function(*arguments)
    return time.process_time() - start, found


def hmmlearn_predictions(mixture, prompts, chosen):
    """The same posteriors from hmmlearn's scores: every demonstration, and the query with every answer."""
    models = []
    for start in mixture.start:
        model = CategoricalHMM(n_components=mixture.states, init_params="")
        model.startprob_, model.transmat_ = start, mixture.transition
        model.emissionprob_, model.n_features = mixture.emission, mixture.observations
        models.append(model)
    found = []
    for p in chosen:
        shown = np.column_stack([prompts.known[prompts.x[p]], prompts.y[p]])
        query, ends = prompts.known[prompts.query[p]], []
        for model in models:
            weight = sum(model.score(tokens[:, None]) for tokens in shown)
            answers = [[*query, y] for y in range(mixture.observations)]
            ends.append([weight + model.score(np.array(tokens)[:, None]) for tokens in answers])
        logs = np.array(ends)
        weights = np.exp(logs - logs.max()).sum(axis=0)
        found.append(weights / weights.sum())
    return np.array(found)


def predictions(mixture, prompts, chosen):
    """The same posteriors through HMMMixture.predict, one prompt at a time."""
    pairs = [[(prompts.known[x], y) for x, y in zip(prompts.x[p], prompts.y[p], strict=True)] for p in chosen]
    queries = [prompts.known[prompts.query[p]] for p in chosen]
    return np.array([mixture.predict(pair, query) for pair, query in zip(pairs, queries, strict=True)])


def operators_per_prompt(mixture, prompts, chosen):
    """T_x for every sequence of every prompt, nothing shared."""
    for p in chosen:
        for x in (*prompts.x[p], prompts.query[p]):
            operators.operators(mixture, prompts.known[x][None])


def main(hmms: int = 20, size: int = 500) -> None:
    design, ns = material.appendix_c(), experiment.PAPER_DEMONSTRATIONS
    full = batched = shared = 0.0
    slices = {"hmmlearn": 0.0, "predict": 0.0, "T_x per prompt": 0.0}
    largest = 0.0
    for i in range(hmms):
        start = time.process_time()
        mixture = design.mixture((0, i))
        prompts = material.draw_prompts(mixture, size, max(ns), design.length, design.threshold, (1, i))
        kernels = Kernels(mixture, prompts.known)
        seconds, _ = timed(experiment.run, mixture, prompts, kernels, list(KERNELS), ns)
        full += time.process_time() - start
        if i >= ROUNDS:
            continue
        chosen = range(SLICE)
        seconds, exact = timed(lambda m=mixture, p=prompts: _batched(m, p))
        batched += seconds
        shared += timed(operators.operators, mixture, prompts.known)[0]
        seconds, ours = timed(predictions, mixture, prompts, chosen)
        slices["predict"] += seconds
        seconds, theirs = timed(hmmlearn_predictions, mixture, prompts, chosen)
        slices["hmmlearn"] += seconds
        slices["T_x per prompt"] += timed(operators_per_prompt, mixture, prompts, chosen)[0]
        largest = max(largest, np.abs(ours - theirs).max(), np.abs(ours - exact[: len(chosen)]).max())
    done, part = ROUNDS * size if hmms >= ROUNDS else hmms * size, min(ROUNDS, hmms) * SLICE
    print(f"full table, {len(KERNELS)} kernels, {hmms} HMMs x {size} prompts: {full:.1f} CPU s")
    print(f"largest difference between the three ways to the posterior: {largest:.1e}")
    each = batched / done
    for name in ("hmmlearn", "predict"):
        ratio = slices[name] / part / each
        print(f"posterior, {name} prompt by prompt / batched, per prompt: {ratio:,.0f} x")
    print(f"posterior, hmmlearn / predict, prompt by prompt: {slices['hmmlearn'] / slices['predict']:.1f} x")
    ratio = slices["T_x per prompt"] / part / (shared / done)
    print(f"operators, recomputed per prompt / shared, per prompt: {ratio:,.0f} x")


def _batched(mixture, prompts):
    """Posteriors of all prompts from deduplicated sequences, those included."""
    kernels = Kernels(mixture, prompts.known)
    return experiment.posteriors(mixture, prompts, kernels.joint, prompts.x.shape[1])


if __name__ == "__main__":
    with threadpool_limits(limits=1):  # CPU seconds of one thread
        main(*map(int, sys.argv[1:]))
