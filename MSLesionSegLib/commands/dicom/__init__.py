"""The subcommands that speak DICOM."""
