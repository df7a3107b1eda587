"""When a result is stale, and why.

- ``fingerprint``: a hash of what code does
- ``imports``: the package's files that a notebook or a module needs
- ``dependencies``: everything that a page depends on
- ``measurement``: everything that findings depend on
- ``equivalence``: the ledger of proofs that other code measures the same
"""
