"""Object storage: the Store protocol, Parquet tables of rows, manifests."""
