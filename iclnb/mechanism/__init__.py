"""Chapter 07: what attention heads do when a model learns in context: kernel, induction, or report.

The rivals of "a kernel over x" (paper A, section 5.2): induction (Olsson et al. 2022), label words as anchors
(Wang et al. 2023), function and task vectors (Todd et al. 2024, Hendel et al. 2023).

- :mod:`~iclnb.mechanism.material`: demonstrations drawn once, shown under several labellings and wordings.
- :mod:`~iclnb.mechanism.passes`: everything that is read off a model, set by set, and kept.
- :mod:`~iclnb.mechanism.own_weights`: what a head writes when it reads a label word.
- :mod:`~iclnb.mechanism.scores`: what each head does, on the same axes.
- :mod:`~iclnb.mechanism.decision`: from which layer on the answer can be read.
- :mod:`~iclnb.mechanism.flow`: interventions, and how much of an answer each of them moves.
- :mod:`~iclnb.mechanism.function_vectors`: what a vector gives back without demonstrations.
- :mod:`~iclnb.mechanism.ceiling`: the best kernel over x, against rivals that see no x.
- :mod:`~iclnb.mechanism.verdict`: kernel, induction, report or mixture, by criteria set beforehand.
- :mod:`~iclnb.mechanism.study`: all measurements of a model, and a condition as a whole.
- :mod:`~iclnb.mechanism.estimates`, :mod:`~iclnb.mechanism.estimates_flow`: the evidence of each claim, and
  the answer.
- :mod:`~iclnb.mechanism.pictures`: heads on common axes, flow over depth, shares.
"""
