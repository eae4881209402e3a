"""The subcommands of ``mslesionseg study``: one file for each of the papers' experiments."""
