"""The model store, in a local folder or a bucket: TF Serving's own layout, and what Kakeai keeps beside it.

STORE/MODEL/VERSION/                 a SavedModel; it is a version once its graph, saved_model.pb, is there
STORE/MODEL/VERSION/assets.extra/    kakeai.json (the model card), MODEL.mag, MODEL.hparams, the corpus's manifest
STORE/MODEL/pruned/VERSION.json      the cards of versions that were taken away
STORE/MODEL/.*                       releases under way, or what is left of one that was killed

A version appears whole or not at all and is never changed. Numbers only grow; one that is missing was pruned, or its
release did not end.

A release shows that it lives: on a disk by a lock, in a bucket by a claim that it refreshes. Prunings and other
releases leave it alone, and clear away what dead releases left. Of two releases that were compared with the same
version one is made, and the other ends with an OvertakenError; in a bucket both can be made if they end at once.
"""

from kakeai.store.cards import champion, lineage, read_card, versions, withdrawn
from kakeai.store.changes import promote, prune, publish, rollback
from kakeai.store.layout import CARD, MANIFEST, bundle_path
from kakeai.store.shelf import OvertakenError

__all__ = [
    "CARD",
    "MANIFEST",
    "OvertakenError",
    "bundle_path",
    "champion",
    "lineage",
    "promote",
    "prune",
    "publish",
    "read_card",
    "rollback",
    "versions",
    "withdrawn",
]
