"""Language models: tasks and data, prompts, models, attention (PyTorch)."""
