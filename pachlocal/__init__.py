"""Pachyderm for one machine: versioned data and data-driven pipelines without a cluster."""

__version__ = "0.1.0"
