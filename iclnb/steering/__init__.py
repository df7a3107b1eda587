"""What steers in-context learning, and would a kernel do the same? (paper A, section 4.2; chapter 04).

- ``material``: test points, pool and held-out rows; embeddings and the kernel's bandwidth: the study
- ``study``: conditions put to the model and to kernel regression
- ``conditions``: label noise, label words, formats, orders, perturbed texts; ``retrieval``: which rows
- ``calibration``: contextual, batch and domain-context calibration of answers in several orders
- ``perturb``: perturbations of texts, and the words that they use
- ``findings``, ``measure``, ``measure_details``: what is kept of a run of the chapter and of its appendix
- ``estimates``, ``estimates_details``: the evidence of every claim
- ``pictures``: what the chapter and its appendix show
"""
