"""How in-context learning works, claim by claim.

``book/architecture.md`` says what lies where, and which part imports which; importing
``iclnb`` loads none of it.
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
