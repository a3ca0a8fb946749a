"""What a browser sees: pages, forms, templates, scripts and styles."""
