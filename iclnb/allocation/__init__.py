"""Chapter 02: where the last token's attention goes (paper A, section 5.1)."""
