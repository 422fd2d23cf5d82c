"""One file a stage: a plain function, and under it its Kubeflow face."""
