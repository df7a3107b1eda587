"""``python -m iclnb.cli`` is the command ``iclnb``."""

from iclnb.cli import main

if __name__ == "__main__":
    main()
