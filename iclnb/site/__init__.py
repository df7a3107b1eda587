"""The book: pages of chapters, pages that are computed, and the HTML that Jupyter Book makes of them.

- :mod:`~iclnb.site.book`: what changed is run, the pages are laid out and built.
- :mod:`~iclnb.site.pages`, :mod:`~iclnb.site.origins`: a chapter as a page, and where its numbers come from.
- :mod:`~iclnb.site.results`: every claim of every run.
- :mod:`~iclnb.site.summary`: the front page and the reproduction cards.
"""
