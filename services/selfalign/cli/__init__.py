"""The `selfalign` command: one file a group of subcommands."""
