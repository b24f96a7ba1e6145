"""`python -m headgate.worker DESCRIPTOR`: how the supervisor starts a worker."""

import sys

from headgate.worker.process import main

sys.exit(main(int(sys.argv[1])))
