"""Theory of paper A without a language model: HMM mixtures, operators and kernels (NumPy)."""

from iclnb.bayes.hmm import HMMMixture, ZeroProbabilityError
from iclnb.bayes.kernels import KERNELS, Kernels, kernel_regression

__all__ = ["KERNELS", "HMMMixture", "Kernels", "ZeroProbabilityError", "kernel_regression"]
