"""RESP2 and RESP3 over a socket, with replies kept in a form that compares byte for byte.

A reply is
  bytes            a scalar with its type character: b":5", b"+OK", b"-ERR ...", b",1.5", b"#t", b"_",
                   b"$-1" (null bulk), b"*-1" (null array); a bulk string is b"$" + its content,
                   a verbatim string b"=" + its content (`$-1` cannot be a content: see `NULL_BULK`)
  (char, [items])  an aggregate: "*" array, "%" map (flat), "~" set, ">" push
"""

import socket
import time

reply_timeout = 20.0  # seconds; a reply that takes longer counts as missing


class Null(bytes):
    """A null, so that it never equals a bulk string with the content -1."""

    def __eq__(self, other):
        return isinstance(other, Null) and bytes.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = bytes.__hash__


NULL_BULK = Null(b"$-1")
NULL_ARRAY = Null(b"*-1")
NULL = Null(b"_")


class ConnectionLost(Exception):
    """The server closed the connection, or did not answer in time."""


def encode(argv):
    parts = [b"*%d\r\n" % len(argv)]
    for argument in argv:
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


class Connection:
    def __init__(self, host, port, resp=2):
        self.host = host
        self.port = port
        self.resp = resp
        self.socket = None
        self.open()

    def open(self):
        """(Re)connects and selects the protocol; the session starts in database 0 with no name."""
        self.close()
        self.socket = socket.create_connection((self.host, self.port), timeout=reply_timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.position = 0
        if self.resp == 3:
            self.call([b"HELLO", b"3"])

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ConnectionLost("sending failed: %s" % error) from None

    def call(self, argv):
        self.send(encode(argv))
        return self.reply()

    def receive_more(self):
        try:
            data = self.socket.recv(1 << 18)
        except socket.timeout:
            raise ConnectionLost("no reply within %g s" % self.socket.gettimeout()) from None
        except OSError as error:
            raise ConnectionLost("receiving failed: %s" % error) from None
        if not data:
            raise ConnectionLost("the server closed the connection")
        self.buffer = self.buffer[self.position:] + data if self.position < len(self.buffer) else data
        self.position = 0

    def line(self):
        while True:
            end = self.buffer.find(b"\r\n", self.position)
            if end >= 0:
                line = self.buffer[self.position:end]
                self.position = end + 2
                return line
            self.receive_more()

    def exactly(self, count):
        if len(self.buffer) - self.position < count:
            chunks = [self.buffer[self.position:]]
            have = len(chunks[0])
            self.buffer, self.position = b"", 0
            while have < count:
                self.receive_more()
                chunks.append(self.buffer)
                have += len(self.buffer)
                self.buffer = b""
            self.buffer = b"".join(chunks)
        content = self.buffer[self.position:self.position + count]
        self.position += count
        return content

    def reply(self):
        line = self.line()
        kind = line[:1]
        if kind in b"+-:,#(":
            return line
        if kind == b"_":
            return NULL
        if kind == b"$" or kind == b"=" or kind == b"!":
            length = int(line[1:])
            if length < 0:
                return NULL_BULK
            return kind + self.exactly(length + 2)[:-2]
        count = int(line[1:])
        if count < 0:
            return NULL_ARRAY
        if kind == b"%" or kind == b"|":
            count *= 2
        elif kind not in b"*~>":
            raise ConnectionLost("not RESP: %r" % line[:80])
        return (kind.decode(), [self.reply() for _ in range(count)])

    def raw(self, data, quiet=0.3):
        """Sends bytes as they are; returns what comes until the server closes or stays quiet."""
        self.send(data)
        received, deadline = b"", time.monotonic() + reply_timeout
        while time.monotonic() < deadline:
            self.socket.settimeout(quiet)
            try:
                more = self.socket.recv(1 << 16)
            except socket.timeout:
                return received + b" [open]"
            except OSError:
                return received + b" [closed]"
            if not more:
                return received + b" [closed]"
            received += more
        return received + b" [no end]"
