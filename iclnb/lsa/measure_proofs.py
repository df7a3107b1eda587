"""The findings of appendix 05a: what is proved there, checked by computer."""

from types import SimpleNamespace

from iclnb.lsa import identities
from iclnb.lsa.findings import PROOF_CHECKS, ProofChecks


def measure(run: SimpleNamespace) -> ProofChecks:
    """The findings of appendix 05a."""
    size = (run.d, run.n_context)
    found = {
        "constant coordinate": identities.constant_coordinate(*size, run.evaluation_seed),
        "one length": identities.one_length(*size, run.evaluation_seed),
        "large mean": identities.large_mean(*size, (0.0, 2.0)),
        "centred": identities.centred(*size, run.evaluation_seed),
    }
    return ProofChecks(checks=[found[name] for name in PROOF_CHECKS])
