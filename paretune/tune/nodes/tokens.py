"""The token that a cluster may ask for: one that `ray start` has begun where there is a token does."""

from __future__ import annotations

import os

from paretune.errors import ClusterError

_MODE = "RAY_AUTH_MODE"
_ANSWERS_WITHIN_S = 10.0
_ANY_CALL = "/ray.rpc.NodeInfoGcsService/CheckAlive"


def bring_token(address: str) -> None:
    """Let this process show its token to a cluster that asks for one.

    Ray itself shows none unless ``RAY_AUTH_MODE`` says so, and then waits for long before it gives up.

    Args:
        address: host:port of the head, or ``auto``.

    Raises:
        ClusterError: the cluster asks for a token, and there is none here.
    """
    head = _head_of(address)
    if _MODE in os.environ or head is None or not asks_for_token(head):
        return
    from ray._private.authentication import authentication_token_setup as setup

    if not setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False):
        raise ClusterError(
            f"the Ray cluster at {head} asks for a token, and there is none here: copy ~/.ray/auth_token "
            "from its head to this machine, or set RAY_AUTH_TOKEN"
        )


def asks_for_token(head: str) -> bool:
    """Tell whether the head of a cluster answers only to those who show a token."""
    import grpc

    with grpc.insecure_channel(head) as channel:
        try:
            channel.unary_unary(_ANY_CALL)(b"", timeout=_ANSWERS_WITHIN_S)
        except grpc.RpcError as error:
            return bool(error.code() == grpc.StatusCode.UNAUTHENTICATED)
    return False


def _head_of(address: str) -> str | None:
    """Return host:port of a cluster's head; None where Ray alone knows."""
    if address != "auto":
        return address
    from ray._private.utils import read_ray_address

    return os.environ.get("RAY_ADDRESS") or read_ray_address() or None
