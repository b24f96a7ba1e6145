"""The built-in middlewares, one file for each kind of thing that they do."""
