"""Views, result tables and the dictionary rendered from them."""
