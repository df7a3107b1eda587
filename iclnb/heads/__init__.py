"""Chapter 03: are attention heads kernels over the demonstrations? (paper A, sections 5.2 to 5.5)

- ``material``: rows, prompts with shared and with fresh demonstrations, and the halves that choose and judge
- ``reconstruction``: the answer that each head would give, beside the model's own (section 5.2)
- ``nulls``: what a head has to beat: permuted labels, the last label, majorities, order alone
- ``correlation``: weights against the similarity of query and demonstration (section 5.3)
- ``interventions``, ``causes``: heads ablated and label values swapped, and what that costs
- ``direct``: what heads write themselves, and what later layers do when it is gone
- ``findings``, ``measure``: all that is kept of a run of the chapter, and how it is measured
- ``probes`` (03a), ``table_2`` (03b), ``explorer`` (03c): the same of the appendices (sections 5.4 and 5.5)
- ``estimates``, ``estimates_appendix``: every number that decides a claim
- ``pictures``, ``pictures_appendix``, ``explorer_view``: what a page shows
"""
