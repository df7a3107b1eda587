"""Theory of paper A without a language model: HMM mixtures, operators and kernels (NumPy)."""
