"""The verbs: streams of pictures through models into an index and out again; objects are handed in."""
