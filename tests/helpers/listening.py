"""Who could reach a server."""

from __future__ import annotations

import psutil


def addresses_of(port: int) -> set[str]:
    """Return the addresses of this machine at which a TCP port is listened on."""
    return {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }
