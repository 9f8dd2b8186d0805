"""What an ASGI server loads: `uvicorn project.asgi:application --workers 4`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_asgi_application()
