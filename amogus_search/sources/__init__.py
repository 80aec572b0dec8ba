"""Where pictures come from, and the one way in which files become pixels."""
