"""Expectations: what each table promises beyond its types, as data; judged by Polars before rows become visible."""
