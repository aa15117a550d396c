"""HTTP/2, gRPC and protobuf by hand: no client library writes what strangers write."""

import socket
import ssl
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INITIAL_WINDOW, LARGEST_WINDOW = 65_535, 2**31 - 1
CONNECT_S, STALLED_S = 5, 0.5
CALL_S = 5

STEP = "PsiFieldService/Step"
INPUT = [0.1 * (n - 8) for n in range(16)]


# --- Protobuf


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def number(tag, value):
    return varint(tag << 3) + varint(value)


def fixed(tag, value):
    return varint(tag << 3 | 1) + struct.pack("<Q", value)


def packed(tag, payload):
    """A field that has a length."""
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(tag << 3 | 2) + varint(len(payload)) + payload


def step(values=INPUT, field="", request_id=""):
    """A request of Step."""
    out = packed(1, field) if field else b""
    out += packed(2, struct.pack(f"<{len(values)}d", *values))
    return out + (packed(7, request_id) if request_id else b"")


# --- HTTP/2


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(payload, announced=None):
    """A message as gRPC sends it, or the beginning of a longer one."""
    return b"\0" + struct.pack(">I", len(payload) if announced is None else announced) + payload


def _text(text):
    """A text as HPACK has it without Huffman's code; its length fills seven bits, and then further bytes."""
    data, most = text.encode(), 0x7F
    return (bytes([len(data)]) if len(data) < most else bytes([most]) + varint(len(data) - most)) + data


def headers(method, token=None, extra=()):
    """The headers of a call. POST and the scheme have places in the static table; the others stand as they are."""
    out = b"\x83" + (b"\x87" if token else b"\x86") + b"\x04" + _text(f"/psi.v1.{method}") + b"\x01" + _text("localhost")
    all_of_them = [("content-type", "application/grpc"), ("te", "trailers"), *extra]
    all_of_them += [("authorization", f"Bearer {token}")] if token else []
    return out + b"".join(b"\0" + _text(name) + _text(value) for name, value in all_of_them)


def secured(sock, trust):
    """TLS over a socket, if there is any."""
    return trust.wrap_socket(sock, server_hostname="localhost") if trust else sock


class Line:
    """A connection of HTTP/2 that does what its owner likes, and keeps account of what it is answered.

    Headers of answers are not decoded: an answer that has a message was granted, one that ends without was refused.
    """

    def __init__(self, address, trust, settings=b""):
        self.sock = secured(socket.create_connection(address, timeout=CONNECT_S), trust)
        self.sock.settimeout(STALLED_S)
        self.is_open, self.next, self.unread = True, 1, bytearray()
        self.granted, self.refused, self.reset, self.fed = 0, 0, 0, set()
        self.room, self.rooms, self.first_room = INITIAL_WINDOW, {}, INITIAL_WINDOW
        self.awaited, self.answer = None, None
        wide = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW - INITIAL_WINDOW))
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings) + wide)

    def send(self, data):
        """Whether all of it was taken. A connection that takes no more counts as closed."""
        try:
            self.sock.settimeout(STALLED_S)
            self.sock.sendall(data)
        except OSError:
            self.is_open = False
        return self.is_open

    def begin(self, method, token=None, extra=(), ends=False):
        """The number of a new stream, and its headers."""
        stream, self.next = self.next, self.next + 2
        self.rooms[stream] = self.first_room
        return stream, frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, headers(method, token, extra))

    def call(self, method, payload, token=None):
        """Sends a whole call without waiting for its answer; the stream that it has."""
        stream, begun = self.begin(method, token)
        self.send(begun + frame(DATA, END_STREAM, stream, message(payload)))
        return stream

    def ask(self, method, payload=b"", token=None, seconds=CALL_S):
        """Waits for the answer of a call: its message, or `None` if it was refused. Fails if none comes."""
        self.answer, self.awaited = None, self.call(method, payload, token)
        while self.awaited is not None:
            if not self.is_open:
                raise OSError("the connection was closed")
            self.sock.settimeout(seconds)
            self._take(self.sock.recv(65_536))
        return self.answer

    def drain(self):
        """Reads what there is; whether the connection is open still."""
        try:
            while self.is_open:
                # What is taken may be answered, which waits.
                self.sock.settimeout(0)
                self._take(self.sock.recv(65_536))
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.is_open = False
        return self.is_open

    def _take(self, data):
        if not data:
            self.is_open = False
        self.unread += data
        while len(self.unread) >= 9:
            length = int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < 9 + length:
                return
            kind, flags, stream = self.unread[3], self.unread[4], int.from_bytes(self.unread[5:9], "big")
            payload = bytes(self.unread[9 : 9 + length])
            del self.unread[: 9 + length]
            self._handle(kind, flags, stream, payload)

    def _handle(self, kind, flags, stream, payload):
        if kind == DATA and payload and stream not in self.fed:
            self.granted += 1
            self.fed.add(stream)
            self.answer = payload[5:] if stream == self.awaited else self.answer
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.refused += stream not in self.fed
            self._end(stream)
        if kind == RST_STREAM:
            self.reset += 1
            self._end(stream)
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                self.first_room = value if name == 4 else self.first_room
            self.send(frame(SETTINGS, ACK, 0))
        if kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        if kind == WINDOW_UPDATE and stream == 0:
            self.room += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE and stream in self.rooms:
            self.rooms[stream] += int.from_bytes(payload, "big")

    def _end(self, stream):
        self.fed.discard(stream)
        self.rooms.pop(stream, None)
        self.awaited = None if stream == self.awaited else self.awaited

    def close(self):
        self.sock.close()
