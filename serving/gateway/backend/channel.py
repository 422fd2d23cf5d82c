"""The gRPC channel to the model servers: how it spreads, retries and notices that one is gone."""

import json
from collections.abc import Sequence

import grpc

_SERVICE_CONFIG = {
    # Over all addresses of a name: behind a headless service, every replica gets its share.
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            # A melody depends on its request alone (the seed is in it), so asking again is safe. Once is enough: with
            # another replica the second attempt is likely to succeed, and with none it would only add to the load.
            # A server that stops answers UNAVAILABLE or CANCELLED (our own cancelling is never retried).
            # RESOURCE_EXHAUSTED always means too much load, so it is not retried.
            "name": [
                {"service": "tensorflow.serving.PredictionService"},
                {"service": "tensorflow.serving.ModelService"},
            ],
            "retryPolicy": {
                "maxAttempts": 2,
                "initialBackoff": "0.1s",
                "maxBackoff": "0.1s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    # Each failure above takes a token and each success gives back half a one. There is no retrying while less than
    # half of the tokens are left, so not where more than a third of the attempts fail.
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.5},
}

_OPTIONS = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # A server that vanished without a word is noticed within a call's deadline. Without calls there are no
    # pings: gRPC servers take those for an attack.
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 2000),
    # Look again soon after a server went away: gRPC's own longest pauses are two minutes and half a minute.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
]


def open_channel(address: str, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> grpc.aio.Channel:
    """A channel to HOST:PORT, or to any target that gRPC knows, such as ``dns:///model-server:8500``."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS, interceptors=interceptors)
