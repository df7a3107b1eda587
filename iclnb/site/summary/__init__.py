"""What all runs say together: the front page and the reproduction cards."""
