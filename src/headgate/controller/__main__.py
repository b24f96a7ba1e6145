"""`python -m headgate.controller DESCRIPTOR`: how the supervisor starts the controller."""

import sys

from headgate.controller.process import main

sys.exit(main(int(sys.argv[1])))
