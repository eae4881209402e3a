"""Training cases on disk: a BIDS dataset of corrected examinations, checked at writing and at reading."""
