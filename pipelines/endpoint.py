"""A Kubeflow Pipelines API, by the client that is generated from its OpenAPI; what goes wrong is one sentence."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kakeai.errors import KakeaiError, ServiceError

if TYPE_CHECKING:
    from kfp_server_api import ApiException

IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")  # KFP's own place for it
ANSWER_SECONDS = 30  # KFP's own client waits without end
ATTEMPTS = 3  # of a request that found no connection


class Endpoint:
    """An endpoint that answered as Kubeflow Pipelines does.

    Attributes:
        address: Its URL.
        namespace: Whose runs they are, where there are several users; else empty.
        experiments, runs, schedules: The services of the API.
    """

    def __init__(
        self,
        address: str = "",
        namespace: str = "",
        token: str = "",
        cookie: str = "",
        ca: Path | None = None,
    ) -> None:
        """Connect, and ask whether it is one.

        Args:
            address: URL; by default that of the cluster that this process runs in.
            namespace: Of the runs; needed where Kubeflow has several users.
            token: Bearer token; by default the service account's, in a cluster.
            cookie: Of a session that logged in through a browser.
            ca: File of the certificates to trust, for a server with one of its own.

        Raises:
            KakeaiError: No address, or no namespace where one is needed.
            ServiceError: It cannot be reached, lets nobody in, or is something else.
        """
        import kfp_server_api as kfp

        self.address = (address or _in_cluster()).rstrip("/")
        settings: Any = kfp.Configuration(self.address)
        settings.ssl_ca_cert = ca
        settings.retries = ATTEMPTS - 1
        if not token and not address and IN_CLUSTER_TOKEN.is_file():
            token = IN_CLUSTER_TOKEN.read_text().strip()
        if token:
            settings.api_key, settings.api_key_prefix = {"authorization": token}, {"authorization": "Bearer"}
        client = _client(settings, cookie)
        self.experiments: Any = kfp.ExperimentServiceApi(client)
        self.runs: Any = kfp.RunServiceApi(client)
        self.schedules: Any = kfp.RecurringRunServiceApi(client)
        with self.asked():
            health: Any = kfp.HealthzServiceApi(client).healthz_service_get_healthz()
            if not isinstance(json.loads(client.last_response.data), dict):
                raise ValueError("no object")
        if health.multi_user and not namespace:
            raise KakeaiError(f"{self.address} has several users: say in which --namespace your runs are")
        self.namespace = namespace if health.multi_user else ""

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Turn what goes wrong with the requests inside into one sentence.

        Raises:
            ServiceError: It cannot be reached, refused, failed, or did not answer as Kubeflow Pipelines does.
        """
        from kfp_server_api import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            raise ServiceError(self._said(error)) from None
        except HTTPError as error:
            reason = getattr(error, "reason", None) or error
            said = str(reason).rpartition(": ")[2]
            raise ServiceError(
                f"nothing answers as Kubeflow Pipelines at {self.address} ({said}); check --endpoint"
            ) from None
        except (
            ValueError,
            TypeError,
            AttributeError,
        ):  # what the client raises over a body that is none of KFP's
            raise ServiceError(
                f"{self.address} answers, but not as Kubeflow Pipelines; check --endpoint, or give --token or "
                "--cookie if it is a login page"
            ) from None

    def _said(self, error: "ApiException") -> str:
        if error.status in (401, 403):
            return f"{self.address} does not let you in ({error.status}); give a valid --token or --cookie"
        message = _message(error.body)
        if error.status == 404 and not message:
            return f"{self.address} is not a Kubeflow Pipelines API (404); check --endpoint"
        if not error.status:
            return f"{self.address} has no certificate that we trust ({str(error.reason).splitlines()[-1]}); give --ca"
        verb = "refused" if error.status < 500 else "failed"
        return f"Kubeflow Pipelines at {self.address} {verb} ({error.status}): {message or error.reason}"


def _in_cluster() -> str:
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise KakeaiError(
            "say where Kubeflow Pipelines is: --endpoint, such as http://localhost:8888 after "
            "kubectl -n kubeflow port-forward svc/ml-pipeline 8888"
        )
    return IN_CLUSTER


def _client(settings: Any, cookie: str) -> Any:  # noqa: ANN401  kfp_server_api is imported late
    from kfp_server_api import ApiClient

    class BoundedClient(ApiClient):
        def request(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            kwargs["_request_timeout"] = kwargs.get("_request_timeout") or ANSWER_SECONDS
            return super().request(*args, **kwargs)

    return BoundedClient(settings, cookie=cookie or None)


def _message(body: str | None) -> str:
    # The API's errors are google.rpc.Status, in words that end in what callers of Go's see.
    try:
        return str(json.loads(body or "")["message"]).splitlines()[0]
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
