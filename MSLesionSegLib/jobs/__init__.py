"""How long work is started, watched and stopped: one protocol for every long action."""
