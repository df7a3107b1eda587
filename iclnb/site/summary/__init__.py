"""What all runs say together: the front page, the reproduction cards, a chapter across models."""
