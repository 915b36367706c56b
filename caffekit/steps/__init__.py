"""One module a command, of the same name: the functions that the command line calls, and the Python API."""
