"""The claims of notebook 03, each as the paper measured it and under its null."""

from iclnb.heads.verdicts import agreement, causes, probes, similarity, table

__all__ = ["agreement", "causes", "probes", "similarity", "table"]
