"""Where an attack is aimed while nothing is attacked: takes all, keeps nothing."""

import contextlib
import multiprocessing
import selectors
import socket
import ssl
import struct
import subprocess

from . import wire

CHUNK = 1 << 18
# It lets a sender send without end.
GREETING = wire.frame(wire.SETTINGS, 0, 0, struct.pack(">HI", 4, wire.LARGEST_WINDOW)) + wire.frame(
    wire.WINDOW_UPDATE, 0, 0, struct.pack(">I", wire.LARGEST_WINDOW - wire.INITIAL_WINDOW)
)


class Sink:
    """A port of TCP, behind TLS if the nodes have it, and one of UDP; in a process of its own."""

    def __init__(self, folder, with_tls):
        self.tcp = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        trust = _certified(folder) if with_tls else None
        self.process = multiprocessing.Process(target=_discard, args=(self.tcp, self.udp, trust), daemon=True)
        self.process.start()

    def stop(self):
        self.process.kill()
        self.process.join()
        self.tcp.close()
        self.udp.close()


def _certified(folder):
    """TLS by a certificate that is made for this, which nobody verifies."""
    key, certificate = folder / "sink.key", folder / "sink.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=sink"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate, key)
    trust.set_alpn_protocols(["h2", "http/1.1"])
    return trust


def _discard(tcp, udp, trust):
    """Reads whatever comes, until it is killed."""
    watched, room = selectors.DefaultSelector(), bytearray(CHUNK)
    for one in (tcp, udp):
        one.setblocking(False)
        watched.register(one, selectors.EVENT_READ)
    while True:
        for key, _ in watched.select():
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if key.fileobj is tcp:
                    _admit(tcp, trust, watched)
                elif key.fileobj is udp:
                    udp.recv_into(room)
                else:
                    _read(key, room, watched)


def _admit(tcp, trust, watched):
    stream, _ = tcp.accept()
    stream.setblocking(False)
    if trust:
        stream = trust.wrap_socket(stream, server_side=True, do_handshake_on_connect=False)
    watched.register(stream, selectors.EVENT_READ, {"greeted": False})


def _read(key, room, watched):
    stream = key.fileobj
    try:
        if not key.data["greeted"]:
            if isinstance(stream, ssl.SSLSocket):
                stream.do_handshake()
            key.data["greeted"] = True
            stream.send(GREETING)
        while (length := stream.recv_into(room)) > 0:
            if length < 4096 and not isinstance(stream, ssl.SSLSocket):
                return
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return
    except OSError:
        pass
    watched.unregister(stream)
    stream.close()
