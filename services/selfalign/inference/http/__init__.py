"""Requests and responses, and the connections that they cross."""
