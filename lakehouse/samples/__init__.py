"""Datasets to try the house with: two that are accepted and one that must be refused."""
