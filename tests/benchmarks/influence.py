"""What an influence matrix costs, against reading each context anew: `python tests/benchmarks/influence.py`.

A set of k demonstrations is read in k + 2 contexts (labels as drawn, each flipped, all flipped), with the same
queries behind each. Three ways are timed in turn, in one process, and each round gives ratios:

- *shared*: what chapter 07 does, by :mod:`iclnb.llm.flips`;
- *rows*: each context anew, all its queries in one packed row;
- *reader*: each context anew, by :class:`iclnb.llm.reader.Reader`, which pads queries to one length.
"""

import argparse
import time

import numpy as np

LABELS = ("good", "bad")


def material(tokenizer, k, queries, tokens, seed=0):
    """Prompts of one set under every context, of texts of ``tokens`` random tokens each."""
    from iclnb.llm.data.definitions import Format
    from iclnb.llm.demonstrations import Demonstrations, write
    from iclnb.llm.prompts import Wording

    rng = np.random.default_rng(seed)
    wording = Wording(Format(x="Review: {text}", cue="\nSentiment:", separator="\n\n"), LABELS)
    words = [
        " ".join(rng.choice(["film", "plot", "cast", "score", "scene"], tokens)) for _ in range(k + queries)
    ]
    pool, asked = [{"text": text} for text in words[:k]], [{"text": text} for text in words[k:]]
    labels = rng.integers(2, size=k)
    flips = np.concatenate([np.zeros((1, k), int), np.eye(k, dtype=int), np.ones((1, k), int)])
    contexts = []
    for flipped in (labels + flips) % 2:
        shown = Demonstrations(np.arange(k), flipped).for_every(queries)
        contexts.append(list(write(tokenizer, wording, pool, shown, asked)))
    return wording, contexts


def ways(loaded, wording, contexts):
    """Functions that give the answers of every context. (contexts, queries, words)"""
    from iclnb.llm import flips
    from iclnb.llm.reader import Reader

    def of_rows(found):
        read_in, rows = found
        return np.stack([read_in.answers(row) for row in rows])

    def shared():
        prompts, others = contexts[0], [each[0] for each in contexts[1:]]
        read_in = flips.contexts(loaded.tokenizer, prompts, others, wording)
        return of_rows((read_in, flips.rows(loaded.model, read_in)))

    def rows():
        found = []
        for prompts in contexts:
            read_in = flips.contexts(loaded.tokenizer, prompts, [], wording)
            found.append(of_rows((read_in, flips.rows(loaded.model, read_in)))[0])
        return np.stack(found)

    def reader():
        return np.stack([Reader(loaded, batch_size=16).answers(prompts, wording) for prompts in contexts])

    return {"shared": shared, "rows": rows, "reader": reader}


def ratios(found, rounds):
    """CPU seconds of *shared* over those of each other way, round by round; seconds; the largest difference of
    answers. What else the machine does counts little so."""
    found["shared"]()  # the model is judged once
    seconds, answers = {name: [] for name in found}, {}
    for _ in range(rounds):
        for name, run in found.items():
            start = time.process_time()
            answers[name] = run()
            seconds[name].append(time.process_time() - start)
    difference = max(float(np.abs(answers[name] - answers["shared"]).max()) for name in found)
    others = [name for name in found if name != "shared"]
    return {name: np.divide(seconds["shared"], seconds[name]) for name in others}, seconds, difference


def main():
    """Time a model and print the ratios."""
    from iclnb.llm import models

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--dtype", default="float32")
    for name, value in {"k": 16, "queries": 12, "tokens": 22, "rounds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    loaded = models.load(given.model, dtype=given.dtype)
    found, seconds, difference = ratios(
        ways(loaded, *material(loaded.tokenizer, given.k, given.queries, given.tokens)), given.rounds
    )
    for name, each in found.items():
        print(f"shared / {name}: median {np.median(each):.3f}, {each.min():.3f} to {each.max():.3f}")
    print(
        {name: round(min(each), 2) for name, each in seconds.items()}, f"answers differ by {difference:.2g}"
    )


if __name__ == "__main__":
    main()
