"""The `kakeai` command."""
