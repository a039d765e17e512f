"""`python healthy.py URL`: ends with 0 if the address answers with a 2xx within three seconds, else with 1.

For a container's health check: the image has no curl, and needs none.
"""

import sys
import urllib.error
import urllib.request


def main() -> int:
    """Ask once."""
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=3):  # noqa: S310 # the address is the image's own
            return 0
    except (OSError, urllib.error.HTTPError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
