"""Progress bars of 🤗 transformers: drawn on a terminal, not into notebooks and logs."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bars_on_a_terminal() -> Iterator[None]:
    """Within the block transformers draws its progress bars only where standard error is a terminal."""
    from transformers.utils import logging

    hook = logging.set_tqdm_hook(lambda make, args, kwargs: make(*args, **{"disable": None, **kwargs}))
    try:
        yield
    finally:
        logging.set_tqdm_hook(hook)
