"""One file format a file: how it is read, how it is written, what is said of a broken one."""
