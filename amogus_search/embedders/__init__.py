"""Models that map crops and texts into one space of unit vectors."""
