"""The asset declarations, one file per verb of the flow."""
