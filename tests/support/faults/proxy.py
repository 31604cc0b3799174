"""Stand between a runner and the server, and cut the connection at a COMMIT."""

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_CHUNK = 65536


class Proxy:
    """Listen on 127.0.0.1 and pass bytes on; once armed, cut at the next COMMIT of a runner.

    A runner is told from its sessions that only look by the lock it takes. The server decides
    before the cut: with ``forward`` it gets the COMMIT and answers, and the
    answer is lost. With ``dies`` nobody is let in again until `revive`.
    """

    def __init__(self, server: Path) -> None:
        self._server = str(server)
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._armed = self._forward = self._dies = False
        self.cut = threading.Event()

    def arm(self, *, forward: bool, dies: bool) -> None:
        self._armed, self._forward, self._dies = True, forward, dies

    def revive(self) -> None:
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # closed
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            pair = client, server
            with self._lock:
                self._pairs.add(pair)
            lost = threading.Event()
            for pump in (self._to_server, self._to_client):
                threading.Thread(target=pump, args=(pair, lost), daemon=True).start()

    def _to_server(self, pair: tuple[socket.socket, socket.socket], lost: threading.Event) -> None:
        client, server = pair
        runs = False
        with contextlib.suppress(OSError):
            while data := client.recv(_CHUNK):
                runs = runs or b"pg_try_advisory_lock" in data
                if self._armed and runs and b"COMMIT" in data:
                    self._armed = False
                    if not self._forward:
                        break
                    lost.set()
                server.sendall(data)
            else:
                self._close(pair)
                return
            self._strike(pair)

    def _to_client(self, pair: tuple[socket.socket, socket.socket], lost: threading.Event) -> None:
        client, server = pair
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK):
                if lost.is_set():
                    self._strike(pair)
                    return
                client.sendall(data)
        self._close(pair)

    def _strike(self, pair: tuple[socket.socket, socket.socket]) -> None:
        if self._dies:
            self._end(self._listener)
            with self._lock:
                pairs = list(self._pairs)
            for other in pairs:
                self._close(other)
        self._close(pair)
        self.cut.set()

    def _close(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            self._end(end)

    @staticmethod
    def _end(one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
        one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(self._listener)
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._close(pair)
