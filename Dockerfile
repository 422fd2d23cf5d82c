# syntax=docker/dockerfile:1
# Three images: `pipeline` (the six stages), `gateway` (with the session page) and `model-server`.
# `make images` builds them; docs/operations.md says where they run.
#
# The bases are pinned by version; a registry mirror, or a digest, is a build argument away:
#   --build-arg PYTHON_BASE=python:3.11-slim-bookworm@sha256:…
ARG PYTHON_BASE=python:3.11-slim-bookworm
ARG NODE_BASE=node:22-bookworm-slim


# What builds the others: an empty environment, and the tools that fill and describe it.
FROM ${PYTHON_BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_DEPS=1 PIP_QUIET=1
WORKDIR /src
COPY locks/images.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r locks/images.txt && python -m venv --without-pip /opt/kakeai && \
    mkdir /opt/kakeai/sbom


FROM ${NODE_BASE} AS page
WORKDIR /src
COPY serving/web/package.json serving/web/package-lock.json serving/web/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund --silent
COPY serving/web ./
RUN npm run --silent build && npm sbom --sbom-format=cyclonedx --omit=dev > page.cdx.json


# Kakeai's own wheel, with the page, apart from the packages: it changes often and is small.
FROM build AS code
COPY pyproject.toml setup.py README.md LICENSE ./
COPY kakeai kakeai
COPY components components
COPY pipelines pipelines
COPY cli cli
COPY serving/__init__.py serving/
COPY serving/gateway serving/gateway
COPY serving/model_server serving/model_server
COPY --from=page /src/dist serving/web/dist
RUN pip wheel --no-build-isolation --wheel-dir /wheel . && \
    pip --python /opt/kakeai/bin/python install --prefix /code /wheel/*.whl
COPY --from=page /src/page.cdx.json /code/sbom/


FROM build AS gateway-packages
COPY locks/gateway.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/kakeai/bin/python install --require-hashes -r locks/gateway.txt && \
    find /opt/kakeai/lib -type d -name tests -prune -exec rm -r {} +
RUN cyclonedx-py environment --output-reproducible -o /opt/kakeai/sbom/python.cdx.json /opt/kakeai/bin/python


FROM build AS model-server-packages
COPY locks/model-server.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/kakeai/bin/python install --require-hashes -r locks/model-server.txt
RUN cyclonedx-py environment --output-reproducible -o /opt/kakeai/sbom/python.cdx.json /opt/kakeai/bin/python


# ACCELERATOR=gpu brings CUDA as Python packages; the node has NVIDIA's driver.
FROM build AS pipeline-packages
ARG ACCELERATOR=cpu
COPY locks/${ACCELERATOR}.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/kakeai/bin/python install --require-hashes -r locks/${ACCELERATOR}.txt
RUN cyclonedx-py environment --output-reproducible -o /opt/kakeai/sbom/python.cdx.json /opt/kakeai/bin/python


# All three run as a user without a name, and write nowhere but /tmp: the root file system may be read-only.
FROM ${PYTHON_BASE} AS runtime
ENV PATH=/opt/kakeai/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
WORKDIR /tmp
USER 10001:10001
LABEL org.opencontainers.image.vendor="Kakeai" org.opencontainers.image.licenses="Apache-2.0"


FROM runtime AS pipeline
COPY --from=pipeline-packages /opt/kakeai /opt/kakeai
COPY --from=code /code /opt/kakeai
ENV TF_CPP_MIN_LOG_LEVEL=2
CMD ["kakeai", "--help"]
ARG VERSION=0 REVISION=unknown
ENV KAKEAI_REVISION=${REVISION}
LABEL org.opencontainers.image.title="Kakeai: pipeline" \
      org.opencontainers.image.description="The six stages, from MIDI files to a model in the store" \
      org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}


FROM runtime AS model-server
COPY --from=model-server-packages /opt/kakeai /opt/kakeai
COPY --from=code /code /opt/kakeai
EXPOSE 8500
ENTRYPOINT ["python", "-m", "serving.model_server", "--host=0.0.0.0"]
CMD ["--model_name=kakeai", "--model_base_path=/models/kakeai"]
HEALTHCHECK --start-period=60s --timeout=5s CMD ["python", "-c", "import grpc; \
from grpc_health.v1 import health_pb2 as messages, health_pb2_grpc as stubs; \
answer = stubs.HealthStub(grpc.insecure_channel('127.0.0.1:8500')).Check(messages.HealthCheckRequest(), timeout=4); \
raise SystemExit(answer.status != messages.HealthCheckResponse.SERVING)"]
ARG VERSION=0 REVISION=unknown
LABEL org.opencontainers.image.title="Kakeai: model server" \
      org.opencontainers.image.description="TF Serving's gRPC API where TF Serving's own image does not run" \
      org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}


FROM runtime AS gateway
COPY --from=gateway-packages /opt/kakeai /opt/kakeai
COPY --from=code /code /opt/kakeai
ENV KAKEAI_HOST=0.0.0.0 KAKEAI_PORT=8080 KAKEAI_LOG_JSON=true
EXPOSE 8080
CMD ["python", "-m", "serving.gateway"]
HEALTHCHECK --start-period=10s --timeout=3s CMD ["python", "-c", \
"from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ARG VERSION=0 REVISION=unknown
LABEL org.opencontainers.image.title="Kakeai: gateway" \
      org.opencontainers.image.description="The session page, HTTP and WebSocket in front of the model server" \
      org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}
