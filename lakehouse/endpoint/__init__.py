"""The embedded Arrow Flight SQL server that speaks Dremio's protocol."""
