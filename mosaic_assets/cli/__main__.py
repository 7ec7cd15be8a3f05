"""``python -m mosaic_assets.cli``: the command line where no console script is installed."""

from mosaic_assets.cli import main

if __name__ == "__main__":
    main()
