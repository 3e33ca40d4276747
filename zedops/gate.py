"""Check a push for a hook that an earlier zedops installed, until `equip` replaces it."""

import sys

from zedops.hub.receive import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
