"""How far a run is, from the events of its processes: for displays and for Prometheus."""
