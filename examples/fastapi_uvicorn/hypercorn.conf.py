"""For `hypercorn -c file:hypercorn.conf.py app:app`: its access records go to the logger that app.py configures."""

import logging

workers = 4
accesslog = logging.getLogger("hypercorn.access")
access_log_format = "%(m)s %(U)s HTTP/%(H)s %(s)s"
