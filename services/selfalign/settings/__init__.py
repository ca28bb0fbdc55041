"""What every section of settings shares: base class, types, sampling, files."""
