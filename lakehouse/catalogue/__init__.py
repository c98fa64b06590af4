"""The catalogue: web pages and a JSON API over what the archive holds, read from the current release."""
