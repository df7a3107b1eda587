"""Running notebooks, building the book, and the command line ``iclnb``."""
