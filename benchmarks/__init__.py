"""Magenta and Kakeai side by side, and the servers under load."""
