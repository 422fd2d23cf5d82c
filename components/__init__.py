"""The stages, one file each: a plain function, and under it its Kubeflow face. Their parts lie in folders, by subject.

survey → ingest → convert → train → evaluate → bundle → release, and notify in the end, whatever happened.
"""
