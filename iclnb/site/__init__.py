"""The book: pages of chapters, pages that are computed, and the HTML that Jupyter Book makes of them.

- :mod:`~iclnb.site.book`: what changed is run, and Jupyter Book makes the pages.
- :mod:`~iclnb.site.sources`: the folder that it makes them from.
- :mod:`~iclnb.site.pages`: a chapter as a page, and where its numbers come from.
- :mod:`~iclnb.site.results`: every claim of every run.
- :mod:`~iclnb.site.summary`: the front page and the reproduction cards.
"""
