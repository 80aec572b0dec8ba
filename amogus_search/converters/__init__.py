"""Back ends that turn what a crop shows into the motif; each speaks `ports.Converter`."""
