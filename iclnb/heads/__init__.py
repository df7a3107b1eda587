"""Chapter 03: are attention heads kernels over the demonstrations? (paper A, sections 5.2 to 5.5)

- ``material``: prompts with shared and with fresh demonstrations, and how alike their texts are
- ``reconstruction``: the answer that each head would give, beside the model's own (section 5.2)
- ``nulls``: what a head has to beat: permuted labels, the last label, majorities, order alone
- ``correlation``: weights against the similarity of query and demonstration (section 5.3)
- ``probes``: what can be read off keys and values around a label (section 5.4)
- ``table_2``: several tasks, and kernel regression on sentence encoders (section 5.5)
- ``interventions``, ``causes``: heads ablated and label values swapped, and what that costs
- ``direct``: what heads write themselves, and what later layers do when it is gone
- ``estimates``, ``estimates_features``, ``estimates_causes``: every number that decides a claim
- ``explorer``, ``estimates_explorer``: single heads on single prompts, and what their weights follow
- ``pictures``, ``pictures_appendix``, ``pictures_explorer``, ``tables``: what a page shows
- ``token_view``, ``explorer_view``: what a page shows and lets its reader choose
"""
