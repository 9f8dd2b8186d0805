"""`mpfhandler pipe`: lines from standard input to a log. A program beside the handler, with eyes of its own for its input."""
