"""The recurrent network: whole melodies for training, single steps for sampling, and mixed precision."""
