"""Chapter 07: does in-context learning have the form of kernel regression, and do heads make it? (paper A).

What flipping one demonstration's label changes in the answer to every query: the influence matrix.

- ``material``: sets of demonstrations with queries of their own, in own and arbitrary words, and flipped
- ``readings``: every set read with its labels as drawn, each flipped, and all flipped
- ``matrix``: influence, in log-odds and in probability; what belongs to pairs, and to texts
- ``rivals``: what might predict it without a look inside the model
- ``findings``, ``measure``: what is kept of a run; which heads carry influence
- ``estimates``, ``estimates_prediction``, ``estimates_heads``: the evidence of every claim
- ``pictures``: what the chapter shows
"""
