"""The stages as Kubeflow components, one file each: each calls the function of its name in `kakeai.stages`.

survey → ingest → convert → train → evaluate → bundle → release; notify runs last, also after a failure.
"""
