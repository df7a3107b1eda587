"""What a language model attends to: last-token attention of prompts, alone or under a shared prefix."""

from iclnb.llm.attention.head_hooks import Edit
from iclnb.llm.attention.last_token import last_token_attention
from iclnb.llm.attention.prefix import attend, prepare, shared_prefix_attention
from iclnb.llm.attention.prefix_pass import SharedPrefix
from iclnb.llm.attention.refusals import CaptureError

__all__ = [
    "CaptureError",
    "Edit",
    "SharedPrefix",
    "attend",
    "last_token_attention",
    "prepare",
    "shared_prefix_attention",
]
