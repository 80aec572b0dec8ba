"""From names to an OUT folder full of amogi: what is given, who does it, the run, and what is written of it."""
