"""A training run: steps, evaluations, checkpoints, several devices and machines, warm start."""
