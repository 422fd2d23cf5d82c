"""TF Serving's gRPC API over a model store on this machine, for people without a cluster.

It serves any SavedModel and knows nothing of music. `python -m serving.model_server --help` tells its flags;
in Python:

    from serving.model_server.config import ServedModel
    from serving.model_server.server import ModelServer

    with ModelServer([ServedModel("reel", "store/reel")]) as server:
        server.wait_until_available("reel", timeout_seconds=60)
        print(server.port)
"""
