"""Chapter 05, linear self-attention (LSA) and gradient descent on regression prompts (paper B, sections 2-5).

Exact results (NumPy):

- ``moments``: Gaussian moments of a prompt's second-moment matrix, exact risk of given weights
- ``head_law``: exact risk for fewer heads than inputs, and its limit
- ``few_heads``: numerical optimum over the heads of multi-head LSA, the oracle of the head law
- ``optima``: exact risk of the best member of each family
- ``conditions``: the gap under label noise, other inputs and other priors
- ``variants``: the best unlimited-head LSA under other inputs and masks
- ``baselines``: ridge, least squares, Bayes; Monte Carlo risk with an interval

Models (JAX):

- ``features``: the matrix G of a prompt, its vech features, heads of a coefficient tensor
- ``layer``, ``gd``: the layer as the paper writes it and its fast form; gradient descent
- ``losses``, ``train``: training of many heads, prior means and seeds in one compiled program
- ``study``: every model under every recipe, beside its exact optimum
- ``starts``: what the paper does not give (initial weights, seed, steps), varied
- ``agreement``, ``generalisation``: trained layers beside gradient descent, and on other prompts
- ``deep``: stacks of layers beside as many steps of gradient descent

The chapter: ``material`` (what is drawn), ``estimates`` and ``estimates_exact`` (what decides its claims),
``tables``, ``pictures``, ``pictures_exact``.
"""
