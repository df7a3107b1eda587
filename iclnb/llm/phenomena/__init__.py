"""Choice, labels, order and wording of demonstrations, and kernel regression on them (paper A, section 4.2)."""
