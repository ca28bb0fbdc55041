"""Makes what of the chart follows from the code, and asks a Prometheus what its panels show."""
