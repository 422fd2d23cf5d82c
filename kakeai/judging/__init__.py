"""Whether a model may go into service: what is measured and heard of it, and the decision that rests on that."""
