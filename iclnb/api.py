"""The names for a script of one's own: prompts, attention, kernel weights, kernel regression.

What stands here keeps its name and meaning from one minor version to the next; all else may change.
"""

from iclnb.errors import IclnbError
from iclnb.kernel_regression import kernel_regression
from iclnb.llm.attention import CaptureError, last_token_attention, shared_prefix_attention
from iclnb.llm.data.definitions import Format
from iclnb.llm.kernel_weights import KernelWeights, kernel_weights
from iclnb.llm.loaded import LoadedModel
from iclnb.llm.prompts import Demonstration, Prompt, Span, Wording, build, collate
from iclnb.llm.reader import Reader

__all__ = [
    "CaptureError",
    "Demonstration",
    "Format",
    "IclnbError",
    "KernelWeights",
    "LoadedModel",
    "Prompt",
    "Reader",
    "Span",
    "Wording",
    "build",
    "collate",
    "kernel_regression",
    "kernel_weights",
    "last_token_attention",
    "shared_prefix_attention",
]
