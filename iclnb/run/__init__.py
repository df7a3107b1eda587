"""Runs notebooks: one, or many side by side, each in a process of its own.

- :mod:`~iclnb.run.notebooks`: which notebooks there are, their titles, parameters and pairs.
- :mod:`~iclnb.run.run_one`, :mod:`~iclnb.run.run_many`: run them; old results stay whole.
- :mod:`~iclnb.run.worker`: the process that a notebook runs in.
"""
