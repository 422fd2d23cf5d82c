"""The pictures of the documentation, from real runs: `make figures`."""
