"""One file a command: arguments that were read in, one answer out."""
