"""Arrays in, arrays out: geometry, calibration, ranking, labels and metrics, on NumPy alone."""
