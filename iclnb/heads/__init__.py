"""Single attention heads: what they put out, what changes without them, where features lie, pictures."""
