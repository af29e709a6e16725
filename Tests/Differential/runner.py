"""Plays steps against the reference and the server under test and compares."""

from compare import Mismatch, mismatch
from resp import Connection, ConnectionLost, encode
from steps import Plain

NO_REPLY = b"(no reply)"


class Pair:
    """One connection to the reference and one to a node of the server under test."""

    def __init__(self, reference, tested, resp):
        self.addresses, self.resp, self.log = (reference, tested), resp, []
        self.connections = [Connection(*address, resp) for address in self.addresses]

    def sides(self):
        return self.connections

    def side(self, index):
        return self.connections[index]

    def fresh(self):
        return [Connection(*address) for address in self.addresses]

    def reopen(self):
        for connection in self.connections:
            connection.open()

    def close(self):
        for connection in self.connections:
            connection.close()

    def call(self, argv):
        """Sends one command to both; the two replies, uncompared."""
        self.log.append(argv)
        data = encode(argv)
        for connection in self.connections:
            connection.send(data)
        return self.replies(argv)

    def expect(self, argv):
        """Sends one command to both and compares; the reference's reply."""
        expected, got = self.call(argv)
        self.compare(argv, expected, got)
        return expected

    def compare(self, argv, expected, got):
        difference = mismatch(argv, expected, got)
        if difference is not None:
            raise difference

    def expect_pipeline(self, argvs, answered=None):
        """Sends all in one write; `answered`: the positions that get a reply. Raises the first
        mismatch with its position, after all replies were read."""
        data = b"".join(map(encode, argvs))
        for connection in self.connections:
            connection.send(data)
        first = None
        for at in range(len(argvs)) if answered is None else answered:
            expected, got = self.replies(argvs[at])
            difference = mismatch(argvs[at], expected, got) if expected != got else None
            if difference is not None and first is None:
                first, difference.at = difference, at
        self.log += argvs
        if first is not None:
            raise first

    def replies(self, argv):
        expected = self.connections[0].reply()
        try:
            return expected, self.connections[1].reply()
        except ConnectionLost as error:
            raise Mismatch(argv, expected, NO_REPLY, str(error)) from None
        except ValueError as error:
            raise Mismatch(argv, expected, b"(not RESP)", str(error)) from None


class Failure:
    """A mismatch, and the steps from an empty server that lead to it."""

    def __init__(self, steps, mismatch):
        self.steps, self.mismatch = steps, mismatch


class Runner:
    """`nodes`: addresses of the server under test; a step says through which of them it goes."""

    def __init__(self, reference, nodes, resp, revive):
        """`revive` brings a server that died back, empty."""
        self.reference, self.nodes, self.resp, self.revive = reference, nodes, resp, revive
        self.pairs = []

    def start(self):
        """Empty servers and new connections: the state in which every sequence begins."""
        try:
            self.connect()
        except (OSError, ConnectionLost, Mismatch):
            self.revive()
            self.connect()

    def connect(self):
        self.close()
        self.pairs = [Pair(self.reference, node, self.resp) for node in self.nodes]
        self.pairs[0].expect([b"FLUSHALL"])

    def play(self, steps):
        """Runs the steps from an empty server; None or the Failure."""
        at = 0
        try:
            self.start()
            while at < len(steps):
                step = steps[at]
                pair = self.pairs[step.node]
                if not isinstance(step, Plain):
                    step.execute(pair)
                    at += 1
                    continue
                end = at + 1
                while end < len(steps) and steps[end].joined and isinstance(steps[end], Plain):
                    end += 1
                pair.log = []
                pair.expect_pipeline([each.argv for each in steps[at:end]])
                at = end
        except Mismatch as difference:
            # Without a reply, any command of the same write may be the cause.
            last = end - 1 if difference.got == NO_REPLY and isinstance(steps[at], Plain) \
                else at + getattr(difference, "at", 0)
            return Failure(steps[:last + 1], difference)
        except (ConnectionLost, OSError) as error:
            return Failure(steps[:at + 1], Mismatch([b"(connection)"], None, None, str(error)))
        return None

    def close(self):
        for pair in self.pairs:
            pair.close()
        self.pairs = []
