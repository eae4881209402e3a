"""Two FLAIRs of one patient compared: what is new, what grew, what went."""
