"""Entry point of `python -m ganinvert`."""

from ganinvert.cli import main

if __name__ == "__main__":
    main()
