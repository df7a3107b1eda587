"""Results of long runs that belong to the repository: the sweeps that make them, and what is stale."""
