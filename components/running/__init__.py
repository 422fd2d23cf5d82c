"""What all stages have in common where they run: their Kubeflow face, their log lines, a run's outcome."""
