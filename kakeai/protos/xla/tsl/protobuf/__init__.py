"""Generated; see `kakeai.protos`."""
