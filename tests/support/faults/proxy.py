"""Stand between a runner and the server, and cut the connection or fall silent at a COMMIT."""

import contextlib
import ctypes
import enum
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_CHUNK = 65536
_ATTACH, _DETACH = 26, 27  # SO_ATTACH_FILTER and SO_DETACH_FILTER of Linux
_REFUSE_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
_FILTER = struct.pack("HL", 1, ctypes.addressof(_REFUSE_ALL))


class Then(enum.Enum):
    """Name what becomes of the connections at the COMMIT."""

    CUT = enum.auto()  # the runner's ends, and the next is let in
    DIE = enum.auto()  # all end, and nobody is let in again until `revive`
    STALL = enum.auto()  # all stay open and nothing is passed on, until `revive`
    DROP = enum.auto()  # all packets vanish in the kernel, those of TCP's own among them


class Proxy:
    """Listen on 127.0.0.1 and pass bytes on; once armed, strike at the next COMMIT of a runner.

    A runner is told from its sessions that only look by the lock it takes. The server decides
    before it: with ``forward`` it gets the COMMIT and answers, and the answer is lost.
    ``server`` is a socket's path, or an address and port.
    """

    def __init__(self, server: Path | tuple[str, int]) -> None:
        self._server = server
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._muted: set[tuple[socket.socket, socket.socket]] = set()
        self._armed = self._forward = self._silent = False
        self._then = Then.CUT
        self.cut = threading.Event()

    def way(self) -> dict[str, str]:
        """Return what leads through here, in libpq's words."""
        way = {"host": "127.0.0.1", "port": str(self.port), "sslmode": "disable"}
        return {**way, "gssencmode": "disable"}

    def arm(self, *, forward: bool, then: Then = Then.CUT) -> None:
        self._armed, self._forward, self._then = True, forward, then

    def fall_silent(self, *, drops: bool) -> None:
        """Pass nothing on any more; with ``drops`` TCP itself hears nothing either."""
        self._silent = True
        if drops:
            self._listener.setsockopt(socket.SOL_SOCKET, _ATTACH, _FILTER)
            for end in self._ends():
                end.setsockopt(socket.SOL_SOCKET, _ATTACH, _FILTER)

    def mute(self) -> None:
        """Pass nothing on of the connections that are there; others are let in."""
        with self._lock:
            self._muted |= self._pairs

    def _ends(self) -> list[socket.socket]:
        with self._lock:
            both = [end for pair in self._pairs for end in pair]
        return [end for end in both if end.family is socket.AF_INET]

    def revive(self) -> None:
        """Let everybody in again; what fell silent stays so, and its connections are ended."""
        if self._silent:
            for end in [self._listener, *self._ends()]:
                with contextlib.suppress(OSError):  # nothing was attached to it
                    end.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
            self._close_all()
            self._silent = False
        else:
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
            pair = client, self._connect()
            with self._lock:
                self._pairs.add(pair)
            lost = threading.Event()
            for pump in (self._to_server, self._to_client):
                threading.Thread(target=pump, args=(pair, lost), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._server, tuple):
            return socket.create_connection(self._server)
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._server))
        return server

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
                if not self._deaf(pair):
                    server.sendall(data)
            else:
                self._ended(pair)
                return
            self._strike(pair)

    def _to_client(self, pair: tuple[socket.socket, socket.socket], lost: threading.Event) -> None:
        client, server = pair
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK):
                if lost.is_set():
                    self._strike(pair)
                    lost.clear()
                if not self._deaf(pair):
                    client.sendall(data)
        self._ended(pair)

    def _ended(self, pair: tuple[socket.socket, socket.socket]) -> None:
        """Pass on that one of two has gone, too."""
        if not self._deaf(pair):
            self._close(pair)

    def _deaf(self, pair: tuple[socket.socket, socket.socket]) -> bool:
        return self._silent or pair in self._muted

    def _strike(self, pair: tuple[socket.socket, socket.socket]) -> None:
        if self._then in {Then.STALL, Then.DROP}:
            self.fall_silent(drops=self._then is Then.DROP)
        elif self._then is Then.DIE:
            self._end(self._listener)
            self._close_all()
        else:
            self._close(pair)
        self.cut.set()

    def _close_all(self) -> None:
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._close(pair)

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
        self._close_all()
