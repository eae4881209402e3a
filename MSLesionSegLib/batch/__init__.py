"""A task over all examinations of a BIDS dataset."""
