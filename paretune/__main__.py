"""``python -m paretune``: the command line, where its script is not on the path."""

from paretune.cli.app import main

if __name__ == "__main__":
    main()
