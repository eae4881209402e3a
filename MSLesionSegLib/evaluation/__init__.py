"""How good masks and models are: lesion-wise metrics, masks of many patients against references, own checks."""
