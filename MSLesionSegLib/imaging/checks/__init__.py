"""What can be wrong with a scan or a mask, each with a plain sentence."""
