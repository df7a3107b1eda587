"""A language model with an initial guess in its prompt (paper B, section 5.3).

- ``features``, ``regressor``: what the small model sees of a pair of sentences; the small model
- ``guesses``: every other guess, and one of any quality
- ``pairs``, ``answers``: prompts with or without guesses, plain or chat; scores read off the answer
- ``asking``: tables of answers for sets of demonstrations; how answers move with what is shown
- ``scores``, ``stacking``: how good, how much copied, whether the answer adds anything to the guess
- ``descent``: what gradient descent from the guess would answer
- ``pictures``: the figures
"""
