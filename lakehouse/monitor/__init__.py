"""Drift, freshness and quality numbers."""
