"""Bayesian inference over prompts from HMMs, and kernel regression (paper A, section 4 and appendix C).

NumPy alone but for ``transformer``, no language model; each module imports only from those above it:

- ``hmm``: mixtures of HMMs and exact inference over prompts
- ``families``, ``sequences``: random mixtures; sets of token sequences and their probabilities
- ``operators``, ``kernels``: T_x and whitening; every kernel
- ``material``: designs of HMMs, tasks outside the corpus, prompts: drawn once, from seeds
- ``learning``: how fast Bayes, kernels and others learn a task, of the corpus or not; measured and predicted
- ``measure_theorem``, ``counterexample``: limits and bound of theorem 1 on small HMMs; in exact fractions
- ``table_3``: the experiment of appendix C under every reading
- ``transformer``, ``measure_transformer``: a small softmax transformer and its training (JAX); what it follows
"""

from iclnb.bayes.hmm import HMMMixture, ZeroProbabilityError
from iclnb.bayes.kernels import KERNELS, Kernels
from iclnb.kernel_regression import kernel_regression

__all__ = ["KERNELS", "HMMMixture", "Kernels", "ZeroProbabilityError", "kernel_regression"]
