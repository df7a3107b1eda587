"""A language model with an initial guess in its prompt (paper B, section 5.3; chapter 06).

- ``material``: pairs of sentences, the small model, all guesses, demonstration sets: drawn once, from seeds
- ``features``, ``regressor``, ``guesses``: what the small model sees, its training, every other guess
- ``pair_prompts``, ``score_answers``: prompts with or without guesses, plain or chat; scores read off answers
- ``scoring``: the model's answers to test pairs under a condition, and how they respond to moved guesses
- ``comparison``: answers with different guesses beside guess and truth; ``accuracy``: error and correlation
- ``regression``: answers and truth regressed on the guess; ``descent``: gradient descent from the guess
- ``estimates``, ``estimates_use``, ``estimates_descent``: the evidence of every claim
- ``tables``, ``pictures``: what the chapter shows
"""
