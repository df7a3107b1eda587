"""Linear self-attention (LSA) and gradient descent on linear regression prompts, paper B.

Exact results, NumPy alone:

- ``moments``: Gaussian moments of a prompt's second-moment matrix, exact risk of given weights
- ``few_heads``: numerical optimum over the heads of multi-head LSA
- ``optima``: exact risk of the best member of each family
- ``variants``: the best unlimited-head LSA under other inputs and masks
- ``baselines``: ridge, ordinary least squares, Bayes; Monte Carlo risk with an interval

Models, JAX:

- ``features``: the matrix G of a prompt, its vech features, the shift lemma, fewest heads of a tensor
- ``layer``: the layer as the paper writes it, and its fast form
- ``gd``: gradient descent and the weights that realise it
- ``agreement``: predictions and sensitivities of a layer beside those of gradient descent
- ``deep``: stacks of layers beside as many steps of gradient descent
- ``losses``: the loss of a whole sweep at once, exact or on sampled prompts
- ``train``: training of many heads, prior means and seeds in one compiled program
"""
