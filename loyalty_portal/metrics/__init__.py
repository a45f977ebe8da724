"""Figures for Prometheus.

prometheus_client counts in the files of PROMETHEUS_MULTIPROC_DIR wherever that is set when it is
imported. That is for the processes of a web server alone, so it is taken away here, before any
module of this package imports it; metrics/web_files.py sets it again.
"""

import os

from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.processes import metrics_folder

# The folder in which web servers have theirs; "" where none is set.
FOLDER = metrics_folder(Environment())
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
