"""Training of the embedded models; the only place, besides foreign adapters, where PyTorch is used."""
