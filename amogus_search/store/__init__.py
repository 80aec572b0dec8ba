"""The index on disk: one SQLite catalogue that is the truth, and FAISS files built from it."""
