"""Bayesian inference over prompts from HMMs, and kernel regression (paper A, section 4 and appendix C).

NumPy alone but for ``transformer``, no language model; each module imports only from those above it:

- ``forward``, ``hmm``: the forward recursion; mixtures of HMMs and exact inference over prompts
- ``families``, ``sequences``: random mixtures; sets of token sequences and their probabilities
- ``operators``, ``kernels``: T_x, second moments, whitening; every kernel
- ``material``: designs of HMMs, prompts, numbers of demonstrations: drawn once, from seeds
- ``experiment``, ``theory``: appendix C on one HMM; limits, bound and rate of theorem 1
- ``crossing``: how many demonstrations Bayes and kernels need, and the sharp law for kernels
- ``study``: all of these over many HMMs
- ``counterexample``: theorem 1 in exact fractions, on its own
- ``transformer``, ``following``: a small softmax transformer and its training (JAX); what it follows

The chapter: ``estimates``, ``estimates_theorem``, ``estimates_crossing``, ``estimates_transformer``
(what decides its claims), ``tables``, ``pictures``, ``pictures_transformer``.
"""

from iclnb.bayes.hmm import HMMMixture, ZeroProbabilityError
from iclnb.bayes.kernels import KERNELS, Kernels
from iclnb.kernel_regression import kernel_regression

__all__ = ["KERNELS", "HMMMixture", "Kernels", "ZeroProbabilityError", "kernel_regression"]
