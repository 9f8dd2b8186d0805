"""A Django project of one view that logs one line per request."""
