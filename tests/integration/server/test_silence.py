"""A connection that says nothing is closed, and holds no place that a request needs."""

import socket
import threading
from pathlib import Path

from serving import PATIENCE_SECONDS, served

#: What a client may have sent when it falls silent.
SILENT = {
    "nothing": b"",
    "the beginning of a line": b"GET /v1/dec",
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n",
    "some headers": b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n",
    "a request that was answered": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
}


def closed(port: int, sent: bytes) -> bool:
    """Whether the server ends the connection, though the client does not."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(sent)
        try:
            while connection.recv(65_536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
    return True


def test_silent_connections_are_closed(dsn: str, tmp_path: Path) -> None:
    with served(tmp_path, dsn=dsn, role="api", idle_seconds=1) as server:
        port = int(server.url.rpartition(":")[2])
        found: dict[str, bool] = {}
        threads = [
            threading.Thread(target=lambda what=what, sent=sent: found.update({what: closed(port, sent)}))
            for what, sent in SILENT.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == dict.fromkeys(SILENT, True)
        assert server.http.get("/healthz").status_code == 200
