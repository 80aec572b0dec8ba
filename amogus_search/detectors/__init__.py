"""Adapters that find a motif in tiles; each speaks `ports.Detector`."""
