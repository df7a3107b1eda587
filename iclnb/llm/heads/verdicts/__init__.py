"""The claims of notebook 03, each as the paper measured it and under its null."""
