"""Chapter 05, linear self-attention (LSA) and gradient descent on regression prompts (paper B, sections 2-5).

Exact results (NumPy):

- ``moments``: Gaussian moments of a prompt's second-moment matrix, exact risk of given weights
- ``head_law``: exact risk for any number of heads up to d, and its limit
- ``few_heads``: numerical search over the heads of multi-head LSA, which checks the head law
- ``optima``: exact risk of the best member of each family
- ``sight``: what linear heads lose if the query is not masked

Models (JAX):

- ``layer``: the layer as the paper writes it and its fast form; gradient descent
- ``train``: training of many heads, prior means and seeds in one compiled program
- ``softmax``: heads whose weights are normalised, trained in the same setting
- ``beside``: trained layers beside gradient descent, prompt by prompt
- ``deep``: stacks of layers beside as many steps of gradient descent
- ``identities``: what is proved, checked by computer

The chapter: ``material`` (what is drawn), ``findings``, ``measure`` (05), ``measure_proofs`` (05a),
``measure_beyond`` (05b, with ridge regression and Bayes), ``estimates`` (what decides its claims), ``pictures``.
"""
