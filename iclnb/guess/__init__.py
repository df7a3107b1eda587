"""A language model with an initial guess in its prompt (paper B, section 5.3; chapter 06).

- ``material``: pairs of sentences, the small model, all guesses, demonstration sets: drawn once, from seeds
- ``regressor``: what the small model sees, and its training
- ``pair_prompts``, ``scoring``: prompts with or without guesses, plain or chat; the model's scores
- ``descent``: gradient descent from the guess; ``regression``: answers and truth regressed on the guess
- ``findings``, ``measure``, ``measure_styles``: what is kept of a run of the chapter and of its appendix
- ``estimates``: the evidence of every claim; ``pictures``: what the chapter and its appendix show
"""
