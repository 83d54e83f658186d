# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of each module that reads an application's figures in Prometheus has in common."""


class ModuleDocFragment:
    # FIGURES_SPEC of module_utils/tickbox/series.py
    DOCUMENTATION = r"""
options:
  prometheus_url:
    description: Address of Prometheus.
    type: str
    default: https://127.0.0.1:9090
  prometheus_user:
    description: Name of its login.
    type: str
  prometheus_password:
    description: Password of its login.
    type: str
  job:
    description: Job under which Prometheus reads the application's own figures.
    type: str
    default: app
  requests_metric:
    description: The application's counter of requests, with a label C(status).
    type: str
    default: http_requests_total
  duration_metric:
    description: The application's histogram of response times.
    type: str
    default: http_request_duration_seconds
  timeout:
    description: Seconds that Prometheus may take to have read the end of the load.
    type: float
    default: 40
"""
