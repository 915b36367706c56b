"""`python -m caffekit` is the `caffekit` command."""

from caffekit.cli import main

main()
