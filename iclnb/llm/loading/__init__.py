"""Loading a language model by name, from the name to checked weights.

- :mod:`.readers`: a :class:`iclnb.llm.reader.Reader` by name, of a model that a process may keep
- :mod:`.models`: load one, or a sentence encoder
- :mod:`.places`: where a name leads, and what pins it
- :mod:`.checkpoint`: read model and tokenizer; :mod:`.weights`: check them
- :mod:`.catalogue`: the packaged models
"""
