"""From a file to the network grid and back."""
