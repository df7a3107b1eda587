"""How in-context learning works, claim by claim.

The package by subject, each folder importing only from the lines above it:

- ``iclnb.errors``, ``iclnb.paths``, ``iclnb.profiles``: messages, places on disk, run sizes
- ``iclnb.provenance``: what a result was made with
- ``iclnb.stats``, ``iclnb.claims``, ``iclnb.figures``: intervals, verdicts, pictures
- ``iclnb.bayes``: Bayesian inference over prompts from mixtures of HMMs (NumPy)
- ``iclnb.llm``: language models, their data, prompts and attention (PyTorch)
- ``iclnb.lsa``: linear self-attention (JAX)
- ``iclnb.publish``: runs the notebooks, builds the book, the command line ``iclnb``

Importing ``iclnb`` loads none of them.
"""

__version__ = "0.1.0"
