"""Chapter 00: does the mean of what is drawn lie above zero?

- :mod:`~iclnb.cli.template.room.material`: what is drawn.
- :mod:`~iclnb.cli.template.room.findings`, :mod:`~iclnb.cli.template.room.measure`: what is measured.
- :mod:`~iclnb.cli.template.room.estimates`: what decides the claims.
- :mod:`~iclnb.cli.template.room.pictures`: the figures.
"""
