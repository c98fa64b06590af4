"""Datasets before they are tables: the EDS standard as data, validation, privacy, FAIR score."""
