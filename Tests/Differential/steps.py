"""Steps of a sequence: plain commands, which are pipelined and compared reply by reply, and the
special ones that need more than one look (random picks, cursors, the clock, the connection)."""

import time

from compare import Mismatch, is_error, mismatch, raw_accepted
from resp import ConnectionLost


class Plain:
    """One command. `joined`: sent in one write with the step before. `node`: through which node."""

    __slots__ = ("argv", "node", "joined")
    waits = 0

    def __init__(self, argv, node=0, joined=False):
        self.argv, self.node, self.joined = argv, node, joined

    def commands(self):
        return [self.argv]

    def variants(self):
        """Smaller steps that might fail the same way."""
        argv = self.argv
        for keep in (len(argv) // 2, len(argv) - 1, len(argv) - 2):
            if 1 <= keep < len(argv):
                yield Plain(argv[:keep], self.node, self.joined)
        for at in range(1, min(len(argv), 40)):
            if len(argv) > 3:
                yield Plain(argv[:at] + argv[at + 1:], self.node, self.joined)
                yield Plain(argv[:at] + argv[at + 2:], self.node, self.joined)
            if len(argv[at]) > 8:
                for smaller in (argv[at][:1], argv[at][:len(argv[at]) // 2], argv[at][:-1]):
                    yield Plain(argv[:at] + [smaller] + argv[at + 1:], self.node, self.joined)
            elif argv[at] not in (b"x", b"1", b"", b"0"):
                for simpler in (b"x", b"1"):
                    yield Plain(argv[:at] + [simpler] + argv[at + 1:], self.node, self.joined)


class Special:
    """Runs against a pair of connections by itself; `pair.expect` compares, `pair.call` does not."""

    joined = False
    waits = 0  # milliseconds it sleeps
    weight = 1

    def __init__(self, node=0):
        self.node = node
        self.log = []

    def commands(self):
        return self.log

    def variants(self):
        return ()

    def execute(self, pair):
        pair.log = self.log = []
        self.run(pair)


class Expiry(Special):
    """Keys with a life of a few milliseconds, a pause, then `after` meets them expired."""

    def __init__(self, setup, pause, after, keys, node=0):
        super().__init__(node)
        self.setup, self.waits, self.after, self.keys = setup, pause, after, keys

    def run(self, pair):
        for argv in self.setup:
            pair.expect(argv)
        time.sleep(self.waits / 1000)
        pair.log.append(None)  # the report prints a pause here
        for argv in self.after:
            pair.expect(argv)
        # A dead key counts in DBSIZE until a write meets it, or the server's own expiry does.
        pair.expect([b"DEL"] + self.keys)

    def variants(self):
        if len(self.setup) > 1:
            for at in range(len(self.setup)):
                yield Expiry(self.setup[:at] + self.setup[at + 1:], self.waits, self.after, self.keys, self.node)
        for at in range(len(self.after)):
            yield Expiry(self.setup, self.waits, self.after[:at] + self.after[at + 1:], self.keys, self.node)


class Scan(Special):
    """A full iteration on each server; what came, as a set, must be equal."""

    STEPS_MAX = 20000

    def __init__(self, head, options, node=0):
        super().__init__(node)
        self.head, self.options = head, options

    def run(self, pair):
        pairs = self.head[0] in (b"HSCAN", b"ZSCAN")
        first = self.head + [b"0"] + self.options
        expected, got = pair.call(first)
        if is_error(expected) or is_error(got):
            return pair.compare(first, expected, got)
        seen = [self.iterate(pair, side, reply, pairs) for side, reply in enumerate((expected, got))]
        if seen[0] != seen[1]:
            raise Mismatch(first, ("~", sorted(seen[0])), ("~", sorted(seen[1])), "full iterations differ")

    def iterate(self, pair, side, reply, pairs):
        found = set()
        for _ in range(self.STEPS_MAX):
            if not (isinstance(reply, tuple) and len(reply[1]) == 2 and isinstance(reply[1][1], tuple)):
                raise Mismatch(self.head, "a cursor and an array", reply, "not a reply to a scan")
            cursor, (_, items) = reply[1]
            found.update(zip(items[::2], items[1::2]) if pairs else items)
            if cursor == b"$0":
                return found
            reply = pair.side(side).call(self.head + [cursor[1:]] + self.options)
        raise Mismatch(self.head, "cursor 0", cursor, "the iteration does not end")


class RandomPick(Special):
    """SRANDMEMBER, HRANDFIELD, ZRANDMEMBER: picks must be members, as many as asked for."""

    SOURCES = {b"SRANDMEMBER": b"SMEMBERS", b"HRANDFIELD": b"HKEYS", b"ZRANDMEMBER": b"ZRANGE"}

    def __init__(self, argv, node=0):
        super().__init__(node)
        self.argv = argv

    def run(self, pair):
        name, key = self.argv[0], self.argv[1]
        source = [self.SOURCES[name], key] + ([b"0", b"-1"] if name == b"ZRANDMEMBER" else [])
        members = pair.expect(source)
        expected, got = pair.call(self.argv)
        if expected == got:
            return
        if is_error(expected) or is_error(got) or not isinstance(members, tuple):
            raise Mismatch(self.argv, expected, got)
        known = set(members[1])
        if isinstance(expected, bytes) and isinstance(got, bytes):
            if got not in known or expected not in known:
                raise Mismatch(self.argv, expected, got, "not a member")
            return
        if not (isinstance(expected, tuple) and isinstance(got, tuple) and expected[0] == got[0]
                and len(expected[1]) == len(got[1])):
            raise Mismatch(self.argv, expected, got, "another number or kind of members")
        if len(self.argv) == 3:
            distinct = not self.argv[2].startswith(b"-")
            for side in (expected[1], got[1]):
                if not set(side) <= known or (distinct and len(set(side)) != len(side)):
                    raise Mismatch(self.argv, expected, got, "not members, or not distinct")


class RandomPop(Special):
    """SPOP: what was popped must have been there; then both servers lose what either one popped."""

    def __init__(self, argv, node=0):
        super().__init__(node)
        self.argv = argv

    def run(self, pair):
        key = self.argv[1]
        members = pair.expect([b"SMEMBERS", key])
        expected, got = pair.call(self.argv)
        if is_error(expected) or is_error(got) or not isinstance(members, tuple) or not members[1]:
            return pair.compare(self.argv, expected, got)
        known = set(members[1])
        if len(self.argv) == 2:
            one, other = {expected}, {got}
        else:
            if not (isinstance(expected, tuple) and isinstance(got, tuple) and expected[0] == got[0]):
                raise Mismatch(self.argv, expected, got)
            one, other = set(expected[1]), set(got[1])
            if len(other) != len(got[1]) or len(one) != len(other):
                raise Mismatch(self.argv, expected, got, "another number of members")
        if not (one <= known and other <= known):
            raise Mismatch(self.argv, expected, got, "popped what was not there")
        for member in sorted(one | other):
            pair.call([b"SREM", key, member[1:]])
        if len(one) > 1:  # Redis may build a new set, whose encoding depends on what chance left in it
            pair.expect([b"SCARD", key])
            pair.expect([b"DEL", key])
        else:
            pair.expect([b"SMEMBERS", key])


class RandomKey(Special):
    def run(self, pair):
        keys = pair.expect([b"KEYS", b"*"])
        expected, got = pair.call([b"RANDOMKEY"])
        if expected != got and not (expected in keys[1] and got in keys[1]):
            raise Mismatch([b"RANDOMKEY"], expected, got, "not a key")


class Quit(Special):
    def run(self, pair):
        pair.expect([b"QUIT"])
        ends = []
        for connection in pair.sides():
            try:
                ends.append(connection.call([b"PING"]))
            except ConnectionLost:
                ends.append("closed")
        pair.reopen()
        if ends[0] != ends[1]:
            raise Mismatch([b"QUIT"], ends[0], ends[1], "after QUIT")


class Reset(Special):
    """RESET ends RESP3, the chosen database and the name."""

    def run(self, pair):
        pair.expect([b"CLIENT", b"SETNAME", b"somebody"])
        pair.expect([b"SELECT", b"3"])
        pair.expect([b"RESET"])
        pair.expect([b"CLIENT", b"GETNAME"])
        pair.expect([b"GET", b"missing0"])
        if pair.resp == 3:
            pair.expect([b"HELLO", b"3"])


class SwitchProtocol(Special):
    def __init__(self, between, node=0):
        super().__init__(node)
        self.between = between

    def run(self, pair):
        other = b"2" if pair.resp == 3 else b"3"
        pair.expect([b"HELLO", other])
        for argv in self.between:
            pair.expect(argv)
        pair.expect([b"HELLO", b"%d" % pair.resp, b"SETNAME", b"back"])
        pair.expect([b"CLIENT", b"GETNAME"])

    def variants(self):
        for at in range(len(self.between)):
            yield SwitchProtocol(self.between[:at] + self.between[at + 1:], self.node)


class ReplyMode(Special):
    """CLIENT REPLY OFF and SKIP: nothing comes for the commands between."""

    def run(self, pair):
        key = b"{reply}mode"
        pair.expect_pipeline(
            [[b"CLIENT", b"REPLY", b"SKIP"], [b"SET", key, b"1"], [b"GET", key],
             [b"CLIENT", b"REPLY", b"OFF"], [b"INCR", key], [b"NOSUCH"], [b"CLIENT", b"REPLY", b"ON"],
             [b"GET", key], [b"CLIENT", b"REPLY", b"MAYBE"], [b"DEL", key]],
            answered=[2, 6, 7, 8, 9])


class Raw(Special):
    """Bytes as they are, on connections of their own, until the server closes or falls silent."""

    def __init__(self, data, node=0):
        super().__init__(node)
        self.data = data

    def run(self, pair):
        ends = []
        for connection in pair.fresh():
            ends.append(connection.raw(self.data))
            connection.close()
        pair.log.append([b"(raw bytes)", self.data])
        if ends[0] != ends[1] and raw_accepted(self.data) is None:
            raise Mismatch([b"(raw bytes)", self.data], b"$" + ends[0], b"$" + ends[1])

    def variants(self):
        for cut in (len(self.data) // 2, len(self.data) - 10, len(self.data) - 1):
            if 0 < cut < len(self.data):
                yield Raw(self.data[:cut], self.node)
