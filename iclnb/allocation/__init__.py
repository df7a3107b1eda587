"""Chapter 02: where the last token's attention goes (paper A, section 5.1).

- :mod:`~iclnb.allocation.material`: prompts with fresh demonstrations, and the model with random weights.
- :mod:`~iclnb.allocation.groups`: the tokens whose attention is measured.
- :mod:`~iclnb.allocation.alignment`: attention over prompts of different lengths on common positions.
- :mod:`~iclnb.allocation.design`: what a task must have.
- :mod:`~iclnb.allocation.measure`: a model's attention reduced to shares of groups and an averaged map.
- :mod:`~iclnb.allocation.estimates`: the evidence of each claim, and the answer.
- :mod:`~iclnb.allocation.pictures`: the averaged map, one prompt, profiles over depth.
"""
