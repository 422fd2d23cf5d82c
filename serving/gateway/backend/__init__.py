"""What stands behind the gateway: the model server over gRPC, and the model store."""
