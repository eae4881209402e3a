"""The review of a result by a person: decisions, edits, growing and splitting lesions, and the mask that follows."""
