"""Linear self-attention and gradient descent, paper B (JAX)."""
