"""What lies on this computer's disks: the training set and the models, read beside the window."""
