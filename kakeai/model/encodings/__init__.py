"""Melody events ⇄ inputs and labels of the network: for whole melodies and for single steps."""
