"""The data library: archive, tables, publishing, monitoring and the SQL endpoint, in plain Python."""
