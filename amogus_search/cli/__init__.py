"""The command line: one file per command. Parses and prints; everything else is called."""
