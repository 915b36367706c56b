"""HTML pages and figures that need nothing else: no network, no script from elsewhere."""
