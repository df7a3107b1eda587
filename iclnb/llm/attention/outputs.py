"""What each head puts out at the last token, seen and replaced: :mod:`iclnb.llm.heads.outputs`."""

from iclnb.llm.heads.outputs import Edit, head_outputs

__all__ = ["Edit", "head_outputs"]
