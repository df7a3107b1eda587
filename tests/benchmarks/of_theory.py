"""Ways to the posteriors of chapter 01 and to the sweep of chapter 05: as in :mod:`of_models`.

Posteriors are those of appendix C's design: of prompts with 64 demonstrations, drawn by the benchmark and
read from a file. The sweep is one step of all its models: numbers of heads times norms of w*.
"""

from pathlib import Path

import numpy as np
from contender import Work

SHOWN, SOME = 64, 4
"""Demonstrations of a prompt, and prompts that peers read of all."""

D, CONTEXT, HEADS, NORMS = 10, 10, (1, 2, 5, 10, 11, 12, 20), (0.0, 1.0, 2.0, 4.0)


def write_prompts(folder, tasks, prompts):
    """A mixture of HMMs with so many tasks, and prompts from it, as a file for all ways."""
    from iclnb.bayes import material

    design = material.appendix_c(tasks=tasks, states=10 * tasks)
    mixture = design.mixture((0, 0))
    made = material.draw_prompts(mixture, prompts, SHOWN, design.length, design.threshold, (1, 0))
    parts = {name: getattr(mixture, name) for name in ("prior", "start", "transition", "emission")}
    np.savez(_file(folder, tasks, prompts), **parts, **made._asdict())


def _file(folder, tasks, prompts):
    return Path(folder) / f"hmm-{tasks}-{prompts}.npz"


def batched(place):
    """Posteriors of all prompts at once, from deduplicated sequences."""
    from iclnb.bayes import HMMMixture, Kernels, table_3
    from iclnb.bayes.material import Prompts

    def at(tasks, prompts):
        data = dict(np.load(_file(place["scratch"], tasks, prompts)))
        mixture = HMMMixture(*(data.pop(name) for name in ("prior", "start", "transition", "emission")))
        drawn = Prompts(**data)

        def run():
            return table_3.posteriors(mixture, drawn, Kernels(mixture, drawn.known).joint, SHOWN)[:SOME]

        return Work(run, prompts)

    return at


def _by_scores(scorer):
    """Posteriors of some prompts one at a time, from log P(tokens | θ): ``scorer(mixture)(rows)``."""

    def way(place):
        scores_of = scorer()

        def at(tasks, prompts):
            data = np.load(_file(place["scratch"], tasks, prompts))
            scores, answers = scores_of(data), np.arange(data["emission"].shape[1])
            return Work(lambda: np.array([_posterior(data, scores, p, answers) for p in range(SOME)]), SOME)

        return at

    return way


def _posterior(data, scores, p, answers):
    shown = np.column_stack([data["known"][data["x"][p]], data["y"][p]])
    query = np.column_stack([np.tile(data["known"][data["query"][p]], (len(answers), 1)), answers])
    found = scores(np.concatenate([shown, query]))  # (tasks, demonstrations and answers)
    known = np.log(data["prior"])[:, None] + found[:, : len(shown)].sum(1, keepdims=True)
    logs = known + found[:, len(shown) :]
    weights = np.exp(logs - logs.max()).sum(axis=0)
    return weights / weights.sum()


def _hmmlearn():
    from hmmlearn.hmm import CategoricalHMM

    def scores_of(data):
        models = []
        for start in data["start"]:
            model = CategoricalHMM(n_components=len(data["transition"]), init_params="")
            model.startprob_, model.transmat_, model.emissionprob_ = (
                start, data["transition"], data["emission"]
            )  # fmt: skip
            model.n_features = data["emission"].shape[1]
            models.append(model)
        return lambda rows: np.array([[model.score(row[:, None]) for row in rows] for model in models])

    return scores_of


def _dynamax():
    """Tasks and sequences of a prompt at once (vmap), compiled before it is timed."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from dynamax.hidden_markov_model import hmm_filter

    def scores_of(data):
        transition, logs = (jax.numpy.asarray(x) for x in (data["transition"], np.log(data["emission"].T)))

        def one(start, row):
            return hmm_filter(start, transition, logs[row]).marginal_loglik

        every = jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))
        start = jax.numpy.asarray(data["start"])
        length = data["known"].shape[1] + 1
        every(start, jax.numpy.zeros((SHOWN + len(logs), length), int)).block_until_ready()
        return lambda rows: np.asarray(every(start, rows))

    return scores_of


# --- the sweep ----------------------------------------------------------------------------------------------


def torch_loop(place):
    """PyTorch, the layer as written, a loop over models and heads."""
    import torch

    def at(batch):
        models = [_torch_model(torch, heads) for heads in HEADS for _ in NORMS]
        models += [_torch_model(torch, 1) for _ in NORMS]

        def run():
            for parameters, optimiser in models:
                loss = _torch_loss(torch, parameters, batch)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

        return Work(run)

    return at


def _torch_model(torch, heads):
    make = lambda: torch.nn.Parameter(0.1 * torch.randn(D + 1, D + 1))  # noqa: E731
    parameters = [(make(), make()) for _ in range(heads)]
    return parameters, torch.optim.Adam([each for pair in parameters for each in pair], lr=5e-4)


def _torch_loss(torch, parameters, batch):
    x, w = torch.randn(batch, CONTEXT + 1, D), torch.randn(batch, D, 1) + 0.3
    y = x @ w
    target, labels = y[:, -1, 0], torch.cat([y[:, :-1], torch.zeros(batch, 1, 1)], dim=1)
    embedding = torch.cat([x, labels], dim=2).transpose(1, 2)
    seen = embedding * (torch.arange(CONTEXT + 1) < CONTEXT)
    output = embedding
    for value, key_query in parameters:
        output = output + value @ seen @ embedding.transpose(1, 2) @ key_query @ embedding / CONTEXT
    return ((output[:, -1, -1] - target) ** 2).mean()


def _sweep(sampled, chunk=20):
    """``chunk`` steps of all models in one compiled program, on sampled prompts or by the exact gradient."""

    def way(place):
        import jax
        import jax.numpy as jnp

        from iclnb.lsa import material, train

        models = [material.Configuration(h, m) for h in HEADS for m in NORMS]
        models += [material.Configuration(1, m, train_guess=True) for m in NORMS]

        def at(batch):
            recipe = train.Recipe(batch=batch if sampled else None)
            program = train.compile_sweep(models, recipe, D, CONTEXT, [0], 0, 1)
            carry = [program.start]  # each run takes over the arrays of the one before

            def run():
                carry[0] = jax.block_until_ready(program.run(carry[0], jnp.arange(chunk)))

            run()  # compiles
            return Work(run, chunk)

        return at

    return way


WAYS = {
    "posteriors, batched": batched,
    "posteriors, hmmlearn": _by_scores(_hmmlearn),
    "posteriors, dynamax": _by_scores(_dynamax),
    "sweep, sampled": _sweep(True),
    "sweep, exact gradient": _sweep(False),
    "sweep, PyTorch loop": torch_loop,
}
