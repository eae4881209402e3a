"""Names that cells and reports share: the methods that are compared, and the protocols that they are tested by."""

DEFAULT, SECOND = "default model", "second reader"
FINE_TUNED, DE_NOVO = "fine-tuned", "de novo"
PRE_TRAINED, TRANSFER = "pre-trained", "transfer"
ROTATION, EXTERNAL, LEAVE_ONE_OUT = "rotation", "external", "external, leave one out"
