"""Where arguments come from: few keys, few members, and numbers that sit on edges.

Every function takes the seeded generator and returns bytes. commands.py names them in <brackets>.
"""

# All keys share one hash tag when `tag` is set, so that they belong to one group of a cluster with
# several groups (differential.py --groups).
tag = b""

TYPES = ("s", "l", "h", "t", "z")
KEYS_PER_TYPE = 4
ODD_KEYS = (b"", b"\x00", b"a\r\nb", b"\xff\xfe key", b"{x}y", b"k" * 300)
FAR_SECONDS = 4102444800  # the first second of 2100: no test runs that long


def pick(rng, items):
    return items[int(rng.random() * len(items))]


def between(rng, low, high):
    return int(rng.random() * (high - low + 1)) + low


# --- keys: each type has its own few, and now and then a command gets a key of another type

def key_of(kind):
    names = [b"%s%d" % (kind.encode(), i) for i in range(KEYS_PER_TYPE)]

    def draw(rng):
        chance = rng.random()
        if chance < 0.90:
            return tag + pick(rng, names)
        return any_key(rng)

    return draw


def any_key(rng):
    chance = rng.random()
    if chance < 0.90:
        return tag + b"%s%d" % (pick(rng, TYPES).encode(), between(rng, 0, KEYS_PER_TYPE - 1))
    if chance < 0.96:
        return tag + b"missing%d" % between(rng, 0, 3)
    return tag + pick(rng, ODD_KEYS)


def lexkey(rng):
    """A sorted set whose scores are all 0: ranges by name are unspecified in others. Only the forms that
    name it draw it, and nothing mutates them."""
    return tag + pick(rng, LEX_KEYS)


LEX_KEYS = (b"lex0", b"lex1", b"lex2")

s, l, h, t, z = (key_of(kind) for kind in TYPES)
k = any_key


# --- contents

LENGTHS = (1, 3, 20, 21, 43, 44, 45, 46, 63, 64, 65, 100, 255, 1000, 4096)


def text(rng, length):
    byte = pick(rng, (b"x", b"y", b"7", b"\x00", b"\xff", b"\r\n", b" "))
    return (byte * length)[:length]


def val(rng):
    chance = rng.random()
    if chance < 0.35:
        return small_int(rng)
    if chance < 0.60:
        return member(rng)
    if chance < 0.70:
        return int_(rng)
    if chance < 0.80:
        return float_(rng)
    if chance < 0.97:
        return text(rng, pick(rng, LENGTHS))
    if chance < 0.9985:
        return text(rng, between(rng, 10000, 40000))
    return text(rng, pick(rng, (65500, 70000, 131072, 1100000)))  # about and beyond a frame, an entry


WORDS = (b"a", b"b", b"c", b"d", b"aa", b"ab", b"A", b"", b"\x00", b"\xff\xfe", b"new\r\nline", b"two words",
         b'"quoted"', b"hello", b"one", b"two", b"three")


def member(rng):
    chance = rng.random()
    if chance < 0.55:
        return pick(rng, WORDS)
    if chance < 0.85:
        return b"%d" % between(rng, 0, 20)
    if chance < 0.90:
        return pick(rng, INT_EDGES)
    if chance < 0.96:
        return b"m%d" % between(rng, 0, 200)
    return text(rng, pick(rng, LENGTHS))


# --- long argument lists around the sizes where encodings change (128 entries, 64 bytes, intset 512)

def around(rng, edge):
    return pick(rng, (edge // 2, edge - 1, edge, edge + 1, edge + 5))


def many_members(rng):
    return [b"m%d" % i for i in range(around(rng, 128))]


def many_numbers(rng):
    step = pick(rng, (1, 7, 40000, 5000000000))
    return [b"%d" % (i * step) for i in range(around(rng, pick(rng, (128, 512))))]


def many_fields(rng):
    value = pick(rng, (b"v", b"12", b"x" * 64, b"x" * 65))
    return [x for i in range(around(rng, 128)) for x in (b"m%d" % i, value)]


def many_scored(rng):
    tie = rng.random() < 0.3
    return [x for i in range(around(rng, 128)) for x in (b"0" if tie else b"%d" % (i % 50), b"m%d" % i)]


def many_ties(rng):
    return [x for i in range(around(rng, 128)) for x in (b"0", b"m%d" % i)]


def many_elements(rng):
    size = pick(rng, (1, 64, 2000))
    return [(b"%d" % i) + b"e" * size for i in range(pick(rng, (20, 127, 129, 200)))]


# --- numbers

INT_EDGES = (b"0", b"-1", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775806", b"4294967296",
             b"4294967295", b"2147483647", b"2147483648", b"-2147483648", b"-2147483649", b"32767", b"32768",
             b"-32768", b"-32769", b"65536", b"127", b"128", b"-128", b"-129")
BAD_INTS = (b"", b"abc", b"1.0", b" 1", b"1 ", b"+1", b"01", b"-0", b"--1", b"1e3", b"0x10", b"9223372036854775808",
            b"-9223372036854775809", b"18446744073709551616", b"99999999999999999999999", b"1\x00", b"-", b"nan")
FLOATS = (b"0", b"1", b"-1", b"0.1", b"0.2", b"1.5", b"-2.25", b"3.0", b"3.14159265358979", b"1e3", b"1e-3", b"1E5",
          b"5e-324", b"1.7976931348623157e308", b"-1e300", b"1e17", b"123456789012345678", b"0.30000000000000004",
          b"100000000000000000000", b"1e21", b"1e22", b"0.000001", b"0.0000001", b"-0", b"-0.0", b".5", b"5.",
          b"9007199254740993", b"17179869184", b"2.2250738585072014e-308", b"1.1", b"2.675")
ODD_FLOATS = (b"inf", b"+inf", b"-inf", b"Infinity", b"INF", b"nan", b"NaN", b"-nan", b"1e400", b"-1e400", b"1e-400",
              b"0x1p3", b"0x10", b"1e", b"e5", b"", b" 1", b"1 ", b"1,5", b"abc", b"+1.5", b"--1", b"1\x00")


# What a number may be at its worst: bounds of 32 and 64 bits, of milliseconds made of seconds, and what
# looks like a number. Nothing here allocates much in any command (see generator.EdgeCommands).
EDGES = INT_EDGES + BAD_INTS + ODD_FLOATS + (
    b"1", b"2", b"-2", b"-9223372036854775807", b"-4611686018427387905", b"4611686018427387904", b"-4294967296",
    b"9223372036854775", b"9223372036854776", b"-9223372036854775", b"-9223372036854776", b"18446744073709551615",
    b"1" * 40, b"-" + b"9" * 30, b"0" * 30 + b"1", b"1.5", b"-1.5", b"1e308", b"-1e308", b"5e-324", b"0.1", b"1_000",
    b"(1", b"(-9223372036854775808", b"(inf", b"(nan", b"[a", b"+", b"\xd9\xa1", b"1" + b"0" * 400)


def small_int(rng):
    return b"%d" % between(rng, -20, 100)


def int_(rng):
    chance = rng.random()
    if chance < 0.60:
        return small_int(rng)
    if chance < 0.82:
        return pick(rng, INT_EDGES)
    if chance < 0.90:
        return b"%d" % between(rng, -10**12, 10**12)
    return pick(rng, BAD_INTS)


def idx(rng):
    chance = rng.random()
    if chance < 0.88:
        return b"%d" % between(rng, -8, 12)
    return int_(rng)


def count(rng):
    chance = rng.random()
    if chance < 0.85:
        return b"%d" % between(rng, 0, 8)
    return int_(rng)


def float_(rng):
    chance = rng.random()
    if chance < 0.25:
        return small_int(rng)
    if chance < 0.40:
        return repr(rng.uniform(-100, 100)).encode()
    if chance < 0.50:
        return b"%.*f" % (between(rng, 0, 17), rng.uniform(-1000, 1000))
    if chance < 0.85:
        return pick(rng, FLOATS)
    return pick(rng, ODD_FLOATS)


def score(rng):
    if rng.random() < 0.7:
        return b"%d" % between(rng, -5, 10)
    return float_(rng)


def bound(rng):
    """A bound of a score range."""
    chance = rng.random()
    if chance < 0.2:
        return pick(rng, (b"-inf", b"+inf", b"inf", b"(inf", b"(-inf"))
    return (b"(" if rng.random() < 0.3 else b"") + score(rng)


def lex(rng):
    """A bound of a lexicographic range."""
    chance = rng.random()
    if chance < 0.3:
        return pick(rng, (b"-", b"+"))
    if chance < 0.95:
        return pick(rng, (b"[", b"(")) + member(rng)
    return member(rng)


def offset(rng):
    """A byte offset: small, beyond the 512 MB limit, or not a number; never one that allocates much."""
    chance = rng.random()
    if chance < 0.85:
        return b"%d" % between(rng, -3, 80)
    if chance < 0.90:
        return b"%d" % between(rng, 100, 100000)
    return pick(rng, (b"536870911000", b"536870912", b"2147483648", b"9223372036854775807", b"-9223372036854775808",
                      b"abc", b"", b"1.5"))


def bit(rng):
    return pick(rng, (b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"-1", b"x"))


# --- times: far, past or impossible. Near ones race with the clock; special.NearExpiry has them.

def sec(rng):
    chance = rng.random()
    if chance < 0.60:
        return b"%d" % between(rng, 1000, 1000000)
    if chance < 0.80:
        return pick(rng, (b"0", b"-1", b"-1000"))
    return pick(rng, (b"9223372036854775807", b"-9223372036854775808", b"9223372036854775", b"9223372036854776",
                      b"9223370000000000", b"99999999999", b"abc", b"", b"1.5", b"-9223372036854775"))


def ms(rng):
    chance = rng.random()
    if chance < 0.60:
        return b"%d" % between(rng, 1000000, 1000000000)
    if chance < 0.80:
        return pick(rng, (b"0", b"-1", b"-1000"))
    return pick(rng, (b"9223372036854775807", b"-9223372036854775808", b"9223370000000000000", b"abc", b"", b"1.5"))


def ats(rng):
    chance = rng.random()
    if chance < 0.65:
        return b"%d" % (FAR_SECONDS + between(rng, -1000, 1000))
    if chance < 0.80:
        return pick(rng, (b"1", b"1000000000", b"0", b"-1"))
    return sec(rng) if chance > 0.95 else pick(rng, (b"9223372036854775807", b"9223372036854775", b"9223372036854776",
                                                     b"-9223372036854775808", b"abc", b""))


def atms(rng):
    chance = rng.random()
    if chance < 0.65:
        return b"%d" % ((FAR_SECONDS + between(rng, -1000, 1000)) * 1000 + between(rng, 0, 999))
    if chance < 0.80:
        return pick(rng, (b"1", b"1000000000000", b"0", b"-1"))
    return pick(rng, (b"9223372036854775807", b"9223372036854775806", b"-9223372036854775808", b"abc", b""))


# --- the rest

def pattern(rng):
    return pick(rng, (b"*", b"*", b"s*", b"?0", b"[sl]*", b"[^s]*", b"[a-m]?", b"*1*", b"\\*", b"", b"h[0-1]", b"**",
                      b"[", b"[a", b"s\\0", b"*\x00*", b"*\xff*", b"a*b*c", b"???"))


def db(rng):
    chance = rng.random()
    if chance < 0.75:
        return pick(rng, (b"0", b"0", b"1", b"2", b"15"))
    return pick(rng, (b"16", b"-1", b"abc", b"", b"999999999999", b"1.0"))


def typename(rng):
    return pick(rng, (b"string", b"list", b"hash", b"set", b"zset", b"stream", b"nosuchtype", b"STRING"))


def name(rng):
    return pick(rng, (b"alice", b"bob", b"", b"with space", b"new\nline", b"\xff", b"n" * 100))


def anything(rng):
    """What a mutation puts in place of an argument."""
    return pick(rng, ANYTHING)(rng)


def option(rng):
    return pick(rng, (b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR", b"GET", b"EX", b"PX", b"KEEPTTL", b"PERSIST",
                      b"WITHSCORES", b"LIMIT", b"COUNT", b"MATCH", b"BYSCORE", b"BYLEX", b"REV", b"BEFORE", b"nx",
                      b"withscores", b"EXAT", b"WITHVALUES", b"STORE", b"ASYNC", b"SYNC"))


ANYTHING = (member, int_, float_, option, any_key, lambda rng: pick(rng, BAD_INTS))


def bitoffset(rng):
    return pick(rng, (b"0", b"1", b"7", b"8", b"9", b"100", b"1000", b"-1", b"4294967296", b"abc", b"#1", b""))


# --- commands as arguments; generator.py fills both before the first command is drawn

known_names = []  # for COMMAND INFO
known_forms = []  # for COMMAND GETKEYS


def command(rng):
    name = pick(rng, known_names)
    return name.lower() if rng.random() < 0.5 else name


def many_command(rng):
    return pick(rng, known_forms).build(rng)


def nonsense(rng):
    """A command that no server has."""
    return pick(rng, (b"NOSUCH", b"get2", b"", b"x" * 127, b"x" * 129, b"\x00\xff", b"NO\r\nSUCH", b"GET ", b"'quoted'"))
