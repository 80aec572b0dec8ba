"""Gradient ascent on a picture: it changes until a network sees in it what it was told to see."""
