"""Four workers, and gunicorn's own two logs through the same kind of handler."""

from log_config import LOGGING

wsgi_app = "app:app"
workers = 4
access_log_format = "%(m)s %(U)s %(H)s %(s)s"
control_socket_disable = True
logconfig_dict = LOGGING
