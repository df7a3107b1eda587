"""Cost of training linear self-attention: four ways to take one step of the paper's sweep.

Run by hand: ``.venv/bin/python tests/benchmarks/bench_lsa.py [--rounds 5]``.
(a) PyTorch, the layer as written, a loop over heads; (b) JAX, the layer as written; (c) the fast form for
the whole sweep at once, sampled prompts; (d) the same with the exact gradient. All are interleaved in one
process, round by round, with the rate of a large matrix product beside them. Sampling, gradient and
Adam are included, compilation is not. (a) and (b) train one model at a time, so that their time for the sweep
is the sum of the measured steps of its models times 5000; (c) and (d) take one step for all models at once.
"""

import argparse
import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import torch

from iclnb.lsa import layer, material, train

D, CONTEXT, BATCH, STEPS = 10, 10, 2048, 5000
HEADS, NORMS = (1, 2, 5, 10, 11, 12, 20), (0.0, 1.0, 2.0, 4.0)
MODELS = [material.Configuration(h, m) for h in HEADS for m in NORMS]
MODELS += [material.Configuration(1, m, train_guess=True) for m in NORMS]


def torch_step(heads):
    """One step of Adam on the layer as written, the heads in a Python loop."""
    value = [torch.nn.Parameter(0.1 * torch.randn(D + 1, D + 1)) for _ in range(heads)]
    key_query = [torch.nn.Parameter(0.1 * torch.randn(D + 1, D + 1)) for _ in range(heads)]
    optimiser = torch.optim.Adam([*value, *key_query], lr=5e-4)

    def step():
        x, w = torch.randn(BATCH, CONTEXT + 1, D), torch.randn(BATCH, D, 1) + 0.3
        y = x @ w
        target, labels = y[:, -1, 0], torch.cat([y[:, :-1], torch.zeros(BATCH, 1, 1)], dim=1)
        embedding = torch.cat([x, labels], dim=2).transpose(1, 2)
        seen = embedding * (torch.arange(CONTEXT + 1) < CONTEXT)
        output = embedding
        for p, q in zip(value, key_query, strict=True):
            output = output + p @ seen @ embedding.transpose(1, 2) @ q @ embedding / CONTEXT
        loss = ((output[:, -1, -1] - target) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def jax_step(heads):
    """One step of Adam on ``layer.predict``."""
    optimiser, model = optax.adam(5e-4), layer.random_layer(jax.random.key(0), D, heads)

    def loss(model, key):
        *prompts, target = material.draw_prompts(
            key, BATCH, d=D, n_context=CONTEXT, prior_mean=jnp.full(D, 0.3)
        )
        return jnp.mean((layer.predict(model, *prompts) - target) ** 2)

    @jax.jit
    def advance(model, state, key):
        updates, state = optimiser.update(jax.grad(loss)(model, key), state)
        return eqx.apply_updates(model, updates), state

    carry, count = [model, optimiser.init(model)], iter(range(10**9))

    def step():
        carry[:] = jax.block_until_ready(advance(*carry, jax.random.key(next(count))))

    return step


def sweep_step(batch, chunk=20):
    """``chunk`` steps of the whole sweep, one seed."""
    program = train.compile_sweep(MODELS, train.Recipe(batch=batch), D, CONTEXT, 1, 0, 1)
    carry = [program.start]

    def step():
        carry[0] = jax.block_until_ready(program.run(carry[0], jnp.arange(chunk)))

    return step


def product(size=2048):
    a = jnp.ones((size, size))
    multiply = jax.jit(lambda a: a @ a)
    return lambda: multiply(a).block_until_ready()


def seconds(step, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ways = {("a", h): (torch_step(h), 1) for h in HEADS} | {("b", h): (jax_step(h), 1) for h in HEADS}
    ways |= {("c", 0): (sweep_step(BATCH), 1), ("d", 0): (sweep_step(None), 1), ("peak", 0): (product(), 2)}
    for step, _ in ways.values():
        step()  # compiles
    taken = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (step, repeats) in ways.items():
            taken[way].append(seconds(step, repeats))
    typical = {way: statistics.median(times) for way, times in taken.items()}
    print(f"matrix product: {2 * 2048**3 / typical['peak', 0] / 1e9:.0f} GFLOP/s (2048 x 2048, float32)")
    print("| way | ms a step, H = 20 | ms a step, 32 models | sweep of 5000 steps, s | times (c) |")
    print("|---|---|---|---|---|")
    per_step = {w: sum(4 * typical[w, h] for h in HEADS) + 4 * typical[w, 1] for w in "ab"}
    per_step |= {w: typical[w, 0] / 20 for w in "cd"}
    for way, name in zip("abcd", ("PyTorch, loop over heads", "JAX, layer as written",
                                  "fast form, sampled", "exact gradient"), strict=True):  # fmt: skip
        alone = f"{1e3 * typical[way, 20]:.1f}" if (way, 20) in typical else "-"
        step = per_step[way]
        ratio = step / per_step["c"]
        print(f"| ({way}) {name} | {alone} | {1e3 * step:.2f} | {STEPS * step:.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
