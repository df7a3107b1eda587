"""Choice, labels, order and wording of demonstrations; kernel regression on them (paper A, section 4.2)."""
