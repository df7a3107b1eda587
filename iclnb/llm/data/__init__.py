"""Tasks and the packaged defaults: what is fetched, where rows come from, how they are written down."""
