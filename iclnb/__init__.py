"""How in-context learning works, claim by claim.

The package by subject, each part importing only from the lines above it:

- ``errors``, ``paths``, ``settings``: messages, places on disk, the settings of a run
- ``keys``, ``provenance``: what a result depends on, and what it was made with
- ``store``, ``findings``, ``ladders``: units of work that are kept, what a chapter measured, runs side by side
- ``stats``, ``display``, ``criteria``, ``figures``, ``claims``: intervals, numbers, pictures, verdicts
- ``kernel_regression``: the formula of paper A, for every chapter
- ``llm``: language models, their data, prompts and attention (PyTorch); ``api``: the names for other scripts
- a room for each chapter, of the same anatomy (``material``, ``measure``, ``findings``, ``estimates``,
  ``pictures``): ``bayes`` (01), ``allocation`` (02), ``heads`` (03), ``steering`` (04), ``lsa`` (05, JAX),
  ``guess`` (06), ``influence`` (07)
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
