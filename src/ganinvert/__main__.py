"""`python -m ganinvert`."""

from ganinvert.cli import main

main()
