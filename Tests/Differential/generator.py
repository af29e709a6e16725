"""Draws sequences of steps from a seed."""

import commands
import steps
import values
from resp import encode
from values import between, pick

FAMILY_WEIGHT = {"strings": 22, "keys": 20, "lists": 15, "hashes": 14, "sets": 12, "sorted sets": 18, "bits": 4,
                 "connection": 5, "server": 1}
CHUNK_BYTES = 48 * 1024  # of requests in one write: less than the socket buffers hold
SPECIAL_SHARE = 0.012


class Generator:
    """`known`: the names that the server under test has. `families`: only these, without special steps."""

    def __init__(self, rng, known, nodes=1, families=None):
        self.rng, self.nodes, self.special_share = rng, nodes, 0 if families else SPECIAL_SHARE
        forms = commands.REQUIRED_FORMS + [form for form in commands.EXTRA_FORMS if form.name in known]
        forms = [form for form in forms if not families or form.family in families]
        if values.tag:  # a wrong number of keys makes a key of an option, and that one belongs elsewhere
            forms = [form for form in forms if "<count> <" not in form.text]
        self.forms, self.families, self.family_totals = forms, {}, []
        for form in forms:
            self.families.setdefault(form.family, []).append(form)
        for family, members in self.families.items():
            self.families[family] = [form for form in members for _ in range(form.weight)]
            self.family_totals += [family] * FAMILY_WEIGHT[family]
        self.extra = {name for name in commands.SPECIAL_EXTRA if name in known}
        values.known_names[:] = [n.encode() for n in commands.names(forms) + commands.SPECIAL]
        values.known_forms[:] = [form for form in forms if form.family not in ("connection", "server")]

    def command(self, family=None):
        rng = self.rng
        family = family or pick(rng, self.family_totals)
        argv = pick(rng, self.families[family]).build(rng)
        if rng.random() < 0.06 and family != "connection" and self.may_mutate(argv):
            argv = self.mutate(argv)
        return tame(argv)

    def may_mutate(self, argv):
        return not values.tag and (len(argv) < 2 or argv[1] not in values.LEX_KEYS)

    def mutate(self, argv):
        """Wrong arity, wrong types of arguments, options in the wrong place, other spelling."""
        rng = self.rng
        chance = rng.random()
        at = between(rng, 1, max(1, len(argv) - 1))
        if chance < 0.25:
            return argv[:at] + argv[at + 1:]
        if chance < 0.45:
            return argv[:at] + [values.anything(rng)] + argv[at:]
        if chance < 0.75 and len(argv) > 1:
            return argv[:at] + [values.anything(rng)] + argv[at + 1:]
        if chance < 0.85:
            return argv + [values.option(rng)]
        return [argv[0].lower() if chance < 0.95 else argv[0].capitalize()] + argv[1:]

    def episode(self, count):
        """About `count` commands as steps, pipelined in chunks, each chunk through one node."""
        rng, out, drawn = self.rng, [], 0
        while drawn < count:
            node = int(rng.random() * self.nodes) if rng.random() < 0.3 else 0
            size, length, joined = pick(rng, (1, 1, 3, 10, 30, 100)), 0, False
            for _ in range(size):
                if rng.random() < self.special_share:
                    out.append(self.special(node))
                    joined = False
                    drawn += 3
                    continue
                argv = self.command()
                length += len(encode(argv))
                if length > CHUNK_BYTES:
                    joined, length = False, len(encode(argv))
                out.append(steps.Plain(argv, node, joined))
                joined = True
                drawn += 1
                if leaves_dead_key(argv):
                    out.append(steps.Plain([b"DEL", argv[1]], node, True))
        return out

    def special(self, node):
        rng = self.rng
        step = pick(rng, SPECIALS)(self, rng)
        while step is None:
            step = pick(rng, SPECIALS)(self, rng)
        step.node = node
        return step


class EdgeCommands:
    """Every form of every command with every one of `values.EDGES` at every position behind its name,
    and some with two: what a number does at its worst. Played in order, from filled keys."""

    def __init__(self, generator):
        rng, self.argvs = generator.rng, []
        for form in generator.forms:
            for argv in {tuple(form.build(rng)[:8]) for _ in range(2)} | EDGE_FORMS.get(form.name, set()):
                self.add(rng, argv)
        for name in sorted(generator.extra | {"SPOP", "SRANDMEMBER", "SCAN"}):
            for argv in sorted(EDGE_FORMS.get(name, ())):
                self.add(rng, argv)

    def add(self, rng, argv):
        for at in range(1, len(argv)):
            for edge in values.EDGES:
                changed = list(argv)
                changed[at] = edge
                if len(argv) > 3 and rng.random() < 0.2:
                    changed[between(rng, 2, len(argv) - 1)] = pick(rng, values.EDGES)
                changed = tame(changed)
                if not is_endless(changed):
                    self.argvs.append(changed)

    def episodes(self, size, nodes, rng):
        for start in range(0, len(self.argvs), size):
            node, out = int(rng.random() * nodes), [steps.Plain(argv) for argv in FILLED_KEYS]
            for argv in self.argvs[start:start + size]:
                step = edge_step(argv)
                step.node, step.joined = node, isinstance(step, steps.Plain) and rng.random() < 0.9
                out.append(step)
                if isinstance(step, steps.Plain) and leaves_dead_key(argv):
                    out.append(steps.Plain([b"DEL", argv[1]], node, True))
                if rng.random() < 0.05:
                    out += [steps.Plain(argv, node, True) for argv in FILLED_KEYS]
            yield out


def words(text):
    return tuple(word.encode() for word in text.split())


# Forms that the notation does not have, or draws too rarely to meet every edge.
EDGE_FORMS = {
    "SCAN": {words("SCAN 0 COUNT 10"), words("SCAN 0 MATCH * COUNT 10 TYPE string")},
    "HSCAN": {words("HSCAN h0 0 COUNT 10")},
    "SSCAN": {words("SSCAN t0 0 COUNT 10")},
    "ZSCAN": {words("ZSCAN z0 0 COUNT 10")},
    "SPOP": {words("SPOP t0 1")},
    "SRANDMEMBER": {words("SRANDMEMBER t0 1")},
    "HRANDFIELD": {words("HRANDFIELD h0 1"), words("HRANDFIELD h0 1 WITHVALUES")},
    "ZRANDMEMBER": {words("ZRANDMEMBER z0 1"), words("ZRANDMEMBER z0 1 WITHSCORES")},
    "SET": {words("SET s0 1 EX 10000"), words("SET s0 1 PX 10000000"), words("SET s0 1 EXAT 4102444800"),
            words("SET s0 1 PXAT 4102444800000")},
    "GETEX": {words("GETEX s0 EX 10000"), words("GETEX s0 PX 10000000"), words("GETEX s0 EXAT 4102444800"),
              words("GETEX s0 PXAT 4102444800000")},
    "ZADD": {words("ZADD z0 1 a 2 b"), words("ZADD z0 INCR 1 a"), words("ZADD z0 GT CH 1 a")},
    "ZRANGE": {words("ZRANGE z0 1 3 BYSCORE LIMIT 0 2"), words("ZRANGE z0 [a [c BYLEX LIMIT 0 2"),
               words("ZRANGE z0 0 -1 REV")},
    "ZRANGESTORE": {words("ZRANGESTORE z1 z0 1 3 BYSCORE LIMIT 0 2")},
    "LPOS": {words("LPOS l0 a RANK 1 COUNT 2 MAXLEN 3")},
    "SINTERCARD": {words("SINTERCARD 2 t0 t1 LIMIT 1")},
}

FILLED_KEYS = [list(words(line)) for line in """
    SELECT 0
    DEL s0 s1 s2 s3 l0 l1 h0 h1 t0 t1 z0 z1
    MSET s0 10 s1 hello s2 9223372036854775807 s3 1.5
    RPUSH l0 a b c a b
    RPUSH l1 1 2 3
    HSET h0 a 1 b -9223372036854775808 c 1.5 x y
    HSET h1 a 1
    SADD t0 a b c 1 2
    SADD t1 1 2 3
    ZADD z0 1 a 2 b 3 c 1e308 d
    ZADD z1 inf a -inf b 9007199254740993 c
""".strip().splitlines()]


def edge_step(argv):
    """SPOP and the random picks compare by rules of their own."""
    name = argv[0].upper()
    if name == b"SPOP":
        return steps.RandomPop(argv)
    if name in steps.RandomPick.SOURCES:
        return steps.RandomPick(argv)
    return steps.Plain(argv)


def is_endless(argv):
    """What redis-server would not get done: picks and pauses without end. Or a client of the test
    itself is hit."""
    if argv[0].upper() == b"DEBUG":
        return argv[1:2] == [b"SLEEP"] and argv[2:] not in ([b"0"], [b"-1"], [b"nan"], [b"abc"], [b""])
    name, last = argv[0].upper(), max((-(number(word) or 0) for word in argv[1:]), default=0)
    if name in steps.RandomPick.SOURCES and 1000 < last < 2**63:
        return True
    return name == b"CLIENT" and len(argv) > 2 and argv[1].upper() == b"KILL" and (number(argv[-1]) or 0) in range(1, 10**6)


def number(argument):
    try:
        return int(argument)
    except ValueError:
        return None


RELATIVE = {b"EXPIRE": 1000, b"SETEX": 1000, b"PEXPIRE": 1, b"PSETEX": 1}
NEAR_MS = 600_000


def tame(argv):
    """Moves a life that would end during the test far away, and a bit offset that allocates much near."""
    name = argv[0].upper()
    if name in RELATIVE and len(argv) > 2:
        argv[2] = farther(argv[2], RELATIVE[name])
    elif name in (b"SET", b"GETEX", b"RESTORE"):
        for at in range(2, len(argv)):
            argv[at] = farther(argv[at], 1000 if argv[at - 1].upper() == b"EX" else 1) \
                if argv[at - 1].upper() in (b"EX", b"PX") else argv[at]
    elif name in (b"SETBIT", b"SETRANGE") and len(argv) > 2:
        offset = number(argv[2])
        if offset is not None and 2_000_000 < offset < 4_294_967_296 and name == b"SETBIT":
            argv[2] = b"1000"
        elif offset is not None and 2_000_000 < offset < 536_000_000:
            argv[2] = b"2000000"
    return argv


def farther(argument, unit):
    value = number(argument)
    if value is not None and 0 < value * unit < NEAR_MS:
        return b"%d" % (value + 10 * NEAR_MS // unit)
    return argument


def leaves_dead_key(argv):
    """SET with a time in the past leaves a key that is dead but counted until a write meets it."""
    return argv[0].upper() == b"SET" and any(word.upper() in (b"PXAT", b"EXAT") for word in argv[3:])


# --- special steps

def expiry(generator, rng):
    if rng.random() > 0.06:
        return None
    keys, setup = [], []
    for _ in range(between(rng, 1, 4)):
        kind = pick(rng, values.TYPES)
        key = getattr(values, kind)(rng)
        life = b"%d" % between(rng, 1, 40)
        keys.append(key)
        setup += pick(rng, (
            [[b"SET", key, b"v", b"PX", life]],
            [[b"PSETEX", key, life, b"12"]],
            [[b"SET", key, b"v"], [b"GETEX", key, b"PX", life]],
            [[b"SADD", key, b"1", b"2"], [b"PEXPIRE", key, life]],
            [[b"RPUSH", key, b"a"], [b"PEXPIRE", key, life]],
            [[b"ZADD", key, b"1", b"a"], [b"PEXPIRE", key, life]],
            [[b"HSET", key, b"f", b"v"], [b"PEXPIRE", key, life, b"NX"]],
        ))[-2:]
    # Between the first and the last of them no key may have died: only the last command of each pair
    # sets a life, and those go last.
    setup.sort(key=lambda argv: argv[0] in (b"PEXPIRE", b"GETEX"))
    # A write on a key whose life has begun would race with its end.
    if len(set(keys)) != len(keys):
        return None
    after = []
    for _ in range(between(rng, 1, 5)):
        argv = generator.command(pick(rng, ("strings", "keys", "lists", "hashes", "sets", "sorted sets")))
        if len(argv) > 1 and argv[0].upper() not in (b"DBSIZE", b"OBJECT", b"SWAPDB", b"MOVE"):
            argv[1] = pick(rng, keys)
            after.append(tame(argv))
    return steps.Expiry(setup, 150, after, keys)


def scan_options(rng, with_type):
    options = []
    for _ in range(between(rng, 0, 3)):
        choice = between(rng, 0, 3 if with_type else 2)
        if choice == 0:
            options += [b"MATCH", values.pattern(rng)]
        elif choice == 1:
            options += [b"COUNT", pick(rng, (b"1", b"3", b"10", b"1000", b"0", b"-1", b"x"))]
        elif choice == 2:
            options += [pick(rng, (b"count", b"match", b"FOO", b"COUNT")), b"5"] if rng.random() < 0.3 else []
        else:
            options += [b"TYPE", values.typename(rng)]
    return options


def scan(generator, rng):
    return steps.Scan([b"SCAN"], scan_options(rng, True))


def scan_of_key(generator, rng):
    name, draw = pick(rng, ((b"HSCAN", values.h), (b"SSCAN", values.t), (b"ZSCAN", values.z)))
    if name.decode() not in generator.extra:
        return None
    return steps.Scan([name, draw(rng)], scan_options(rng, False))


def scan_error(generator, rng):
    cursor = pick(rng, (b"abc", b"-1", b"", b"18446744073709551616", b"1.5"))
    return steps.Plain(pick(rng, ([b"SCAN", cursor], [b"SCAN"], [b"SCAN", b"0", b"COUNT"], [b"SCAN", cursor, b"MATCH"])))


def random_pop(generator, rng):
    argv = [b"SPOP", values.t(rng)]
    if rng.random() < 0.5:
        argv.append(values.count(rng))
    return steps.RandomPop(argv)


def random_pick(generator, rng):
    names = [name for name in (b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER")
             if name == b"SRANDMEMBER" or name.decode() in generator.extra]
    name = pick(rng, names)
    draw = {b"SRANDMEMBER": values.t, b"HRANDFIELD": values.h, b"ZRANDMEMBER": values.z}[name]
    argv = [name, draw(rng)]
    if rng.random() < 0.7:
        argv.append(pick(rng, (b"0", b"1", b"2", b"5", b"200", b"-1", b"-3", b"-50", b"abc", b"1.5", b"",
                               b"9223372036854775808", b"-9223372036854775808")))
    return steps.RandomPick(argv)


def raw(generator, rng):
    return steps.Raw(pick(rng, RAW))


SPECIALS = (
    [expiry] * 12 + [scan] * 6 + [scan_of_key] * 6 + [scan_error] * 3 + [random_pop] * 10 + [random_pick] * 10
    + [lambda generator, rng: steps.RandomKey()] * 3
    + [lambda generator, rng: steps.Quit()]
    + [lambda generator, rng: steps.Reset()]
    + [lambda generator, rng: steps.ReplyMode()]
    + [lambda generator, rng: steps.SwitchProtocol([generator.command() for _ in range(between(rng, 1, 5))])] * 3
    + [lambda generator, rng: raw(generator, rng) if rng.random() < 0.25 else None]
)

# Requests as no client library writes them. Each ends in a reply or a closed connection.
RAW = (
    b"PING\r\n", b"ping\n", b"\r\n\r\nPING\r\n", b"  PING   hello  \r\n", b"ECHO 'single quoted'\r\n",
    b'ECHO "esc \\x41\\n\\t\\a"\r\n', b"ECHO 'it\\'s'\r\n", b'ECHO "unbalanced\r\n', b"ECHO 'unbalanced\r\n",
    b'ECHO "a"b\r\n', b"*0\r\nPING\r\n", b"*-1\r\nPING\r\n", b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$abc\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$-5\r\n", b"*1\r\n$600000000\r\n", b"*1\r\n$99999999999999999999\r\n",
    b"*abc\r\n", b"*1048577\r\n", b"*2147483648\r\n", b"*99999999999999999999\r\n", b"*1\r\n:1\r\n", b"*1\r\n+PING\r\n",
    b"*1\r\nPING\r\n", b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", b"*1\r\n$0\r\n\r\nPING\r\n", b"*1\r\n$4\r\nPINGxxPING\r\n",
    b"*1 \r\n", b"* 1\r\n", b"*+1\r\n$4\r\nPING\r\n", b"*1\r\n$+4\r\nPING\r\n", b"*1\r\n$ 4\r\nPING\r\n", b"*01\r\n$4\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n", b"$4\r\nPING\r\n", b"+OK\r\n", b":1\r\n", b"GET\r\n", b"SET a\r\n", b"a" * 70000,
    b"*1\r\n$" + b"1" * 70000, b"*" + b"1" * 70000, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n",
    b"\x00\x01\x02\r\n", b"\xff\xfe\xfd\r\n", b"PING\r\nPING\r\nPING\r\n*1\r\n$4\r\nQUIT\r\nPING\r\n", b"\x16\x03\x01\x02\x00\r\n",
    b"*3\r\n$3\r\nSET\r\n$4\r\n{r}a\r\n$1\r\n1\r\n*2\r\n$3\r\nGET\r\n$4\r\n{r}a\r\n*2\r\n$3\r\nDEL\r\n$4\r\n{r}a\r\n",
    b"ECHO \"\"\r\n", b"ECHO ''\r\n", b"\t PING\t\r\n", b"PING\x00\r\n", b"*1\r\n$4\r\nPING\n\n*1\r\n$4\r\nPING\r\n",
)
