"""The `antrean` command: what there is to type, and nothing else; the work is in antrean.commands."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; without the service's libraries say which package has them."""
    try:
        from antrean.commands.app import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in {"antrean", "admission", "gateway"}:
            raise
        sys.exit(f"The command needs the service's libraries ({error.name} is missing): pip install 'antrean[server]'")
    app()


if __name__ == "__main__":
    main()
