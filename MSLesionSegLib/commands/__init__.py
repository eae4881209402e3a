"""The subcommands of ``mslesionseg``: one file each, with what they share in options and running."""
