"""Chapter 02: where the last token's attention goes (paper A, section 5.1).

- ``material``: prompts with fresh demonstrations
- ``tokens``: the tokens whose attention is measured, and positions that prompts of any length share
- ``findings``, ``measure``: a model's attention reduced to shares of groups and an averaged map
- ``estimates``: the evidence of each claim, and the answer
- ``pictures``: the averaged map, one prompt, profiles over depth
"""
