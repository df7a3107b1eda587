"""How in-context learning works, claim by claim.

The package by subject, each part importing only from the lines above it:

- ``errors``, ``paths``, ``settings``: messages, places on disk, the settings of a run
- ``fingerprint``, ``provenance``: what code does, and what a result was made with
- ``stats``, ``display``, ``claims``, ``figures``: intervals, tables, verdicts, pictures
- ``kernel_regression``: the formula of paper A, for every chapter
- ``llm``: language models, their data, prompts and attention (PyTorch)
- a room for each chapter, of the same anatomy (``material``, measurements, ``estimates``, ``pictures``):
  ``bayes`` (01), ``allocation`` (02), ``heads`` (03), ``steering`` (04), ``lsa`` (05, JAX), ``guess`` (06)
- ``run``, ``records``, ``site``, ``cli``: run notebooks, keep long runs, build the book, the command line

Importing ``iclnb`` loads none of them.
"""


def __getattr__(name: str) -> str:
    """``__version__``, from the package's metadata: a new one changes no code."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(__name__)
    except PackageNotFoundError:
        return "unknown"
