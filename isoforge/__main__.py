"""python -m isoforge."""

from isoforge.cli.main import main

if __name__ == "__main__":
    main()
