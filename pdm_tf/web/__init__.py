"""A page in a browser to try models on; needs the extra `web`."""
