"""Which replies must be equal byte for byte (most), and which only up to order, clock or identity."""


class Mismatch(Exception):
    """The two servers answered differently."""

    def __init__(self, argv, expected, got, why="replies differ"):
        super().__init__(why)
        self.argv, self.expected, self.got, self.why = argv, expected, got, why

    def signature(self):
        """Groups mismatches that have one cause, more or less."""
        if self.got == b"(no reply)":
            return ("no reply",)
        name = self.argv[0].upper()
        if name in CONTAINERS and len(self.argv) > 1:
            name += b" " + self.argv[1].upper()
        return (name[:40], kind(self.expected), kind(self.got))


CONTAINERS = {b"OBJECT", b"CLIENT", b"CONFIG", b"COMMAND", b"DEBUG"}


def kind(reply):
    if reply is None:
        return "-"
    if isinstance(reply, tuple):
        return reply[0]
    if reply[:1] == b"-":
        return b" ".join(reply.split(b" ")[:3])[:30].decode("latin-1")
    return reply[:1].decode("latin-1")


def is_error(reply):
    return isinstance(reply, bytes) and reply[:1] == b"-"


def mismatch(argv, expected, got):
    """None when the replies agree, else the Mismatch."""
    if expected == got:
        return None
    rule = RULES.get(argv[0].upper())
    if rule is not None and not is_error(expected) and not is_error(got) and rule(argv, expected, got):
        return None
    return Mismatch(argv, expected, got)


def raw_accepted(data):
    """Why the answers to these bytes may differ; None when they may not."""
    if data.startswith(b"*1048577\r\n"):
        return "Redis 7.0 takes up to 2^31 - 1 arguments, Skein 1024 * 1024 (as Redis 6 did)"
    if data[:1] != b"*" and b"\x00" in data:
        return "Redis does not see the line's end behind a zero byte and waits for it for ever"
    return None


# --- rules: called only for two unequal replies that are no errors

def sort_key(reply):
    return (1, reply[0].encode(), repr(reply[1]).encode()) if isinstance(reply, tuple) else (0, reply, b"")


def unordered(argv, expected, got):
    return (isinstance(expected, tuple) and isinstance(got, tuple) and expected[0] == got[0]
            and sorted(expected[1], key=sort_key) == sorted(got[1], key=sort_key))


def pairs(reply):
    items = reply[1]
    return sorted(zip(items[::2], items[1::2]))


def unordered_pairs(argv, expected, got):
    return (isinstance(expected, tuple) and isinstance(got, tuple) and expected[0] == got[0]
            and len(expected[1]) == len(got[1]) and pairs(expected) == pairs(got))


def close(tolerance):
    """Both are times left or points in time, and near each other."""
    def rule(argv, expected, got):
        if not (isinstance(got, bytes) and expected[:1] == got[:1] == b":"):
            return False
        one, other = int(expected[1:]), int(got[1:])
        return one > 0 and other > 0 and abs(one - other) <= tolerance
    return rule


def same_shape(argv, expected, got):
    if isinstance(expected, tuple) or isinstance(got, tuple):
        return isinstance(expected, tuple) and isinstance(got, tuple) and expected[0] == got[0]
    return expected[:1] == got[:1] and (len(expected) > 1) == (len(got) > 1)


def same_names(argv, expected, got):
    """Maps (or flat arrays) with the same keys; the values are each server's own."""
    return (isinstance(expected, tuple) and isinstance(got, tuple) and expected[0] == got[0]
            and set(expected[1][::2]) == set(got[1][::2]))


def command_info(argv, expected, got):
    """Name, arity, flags, key positions and categories; tips, key specs and subcommands may be missing."""
    if not (isinstance(expected, tuple) and isinstance(got, tuple) and len(expected[1]) == len(got[1])):
        return False
    for one, other in zip(expected[1], got[1]):
        if isinstance(one, tuple) != isinstance(other, tuple):
            return False
        if not isinstance(one, tuple):
            continue
        if len(other[1]) < 7 or one[1][:2] != other[1][:2] or one[1][3:6] != other[1][3:6]:
            return False
        for column in (2, 6):
            if one[1][column][0] != other[1][column][0]:
                return False
            if sorted(one[1][column][1]) != sorted(other[1][column][1]):
                return False
    return True


def some_scan(argv, expected, got):
    """A single look with a foreign cursor: what it shows is each server's own (steps.Scan compares)."""
    return all(isinstance(reply, tuple) and len(reply[1]) == 2 and isinstance(reply[1][1], tuple)
               for reply in (expected, got))


def by_subcommand(**rules):
    def rule(argv, expected, got):
        sub = argv[1].upper().decode("latin-1").replace("-", "_") if len(argv) > 1 else ""
        return rules[sub](argv, expected, got) if sub in rules else False
    return rule


RULES = {
    # Redis promises no order
    b"KEYS": unordered, b"SMEMBERS": unordered, b"HKEYS": unordered, b"HVALS": unordered,
    b"SINTER": unordered, b"SUNION": unordered, b"SDIFF": unordered, b"HGETALL": unordered_pairs,
    b"SCAN": some_scan, b"HSCAN": some_scan, b"SSCAN": some_scan, b"ZSCAN": some_scan,
    # the clock moves between the two servers
    b"TTL": close(2), b"PTTL": close(2000), b"EXPIRETIME": close(2), b"PEXPIRETIME": close(2000),
    b"TIME": same_shape,
    # who the server is
    b"HELLO": same_names, b"INFO": same_shape,
    b"CONFIG": by_subcommand(GET=same_names),
    b"CLIENT": by_subcommand(ID=same_shape, INFO=same_shape, LIST=same_shape),
    b"OBJECT": by_subcommand(IDLETIME=same_shape, REFCOUNT=same_shape, FREQ=same_shape),
    b"COMMAND": by_subcommand(COUNT=same_shape, LIST=same_shape, DOCS=same_shape, INFO=command_info),
}
