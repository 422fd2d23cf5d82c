"""The container image in which the stages run on a cluster."""

import os

IMAGE = os.environ.get("KAKEAI_PIPELINE_IMAGE", "kakeai/pipeline:0.1.0")
