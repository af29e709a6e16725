"""Large values, and what the work on them costs the other clients of the same node."""

import os
import socket
import statistics
import time

from loading import Connection, call, encode, info, load, numbered, redis, save, skein
from stalls import Watcher

PER_BATCH = 1000
VALUE_BYTES = 100 << 20


class Kind:
    """A kind of large value: how a batch of it is written, and how its pages are read."""

    def __init__(self, name, count, batch, pages, changes):
        self.name, self.count, self.batch, self.pages, self.changes = name, count, batch, pages, changes

    def batches(self):
        return (encode(self.batch(number)) for number in range(0, self.count, PER_BATCH))


def kinds(elements):
    members = elements // 10
    element = [b"element:%08d" % number for number in range(PER_BATCH)]

    def hash_batch(first):
        return [b"HSET", b"hash"] + [part for number in range(first, first + PER_BATCH)
                                     for part in (b"field:%08d" % number, b"value:%014d" % number)]

    def sorted_batch(first):
        return [b"ZADD", b"sorted"] + [part for number in range(first, first + PER_BATCH)
                                       for part in (b"%d" % (number * 7919 % members), b"member:%08d" % number)]

    def set_batch(first):
        return [b"SADD", b"set"] + [b"member:%08d" % number for number in range(first, first + PER_BATCH)]

    return [
        Kind("list", elements, lambda _: [b"RPUSH", b"list"] + element,
             lambda port: ranged(port, b"LRANGE", b"list", elements),
             ([b"LSET", b"list", b"@", b"changed"], elements)),
        Kind("hash", members, hash_batch, lambda port: scanned(port, b"HSCAN", b"hash"),
             ([b"HSET", b"hash", b"field:@", b"changed"], members)),
        Kind("set", members, set_batch, lambda port: scanned(port, b"SSCAN", b"set"),
             ([b"SADD", b"set", b"other:@"], members)),
        Kind("sorted", members, sorted_batch, lambda port: ranged(port, b"ZRANGE", b"sorted", members),
             ([b"ZADD", b"sorted", b"5", b"member:@"], members)),
    ]


def ranged(port, command, key, count):
    client = Connection("127.0.0.1", port)
    for first in range(0, count, PER_BATCH):
        client.call([command, key, b"%d" % first, b"%d" % (first + PER_BATCH - 1)])
    client.close()


def scanned(port, command, key):
    client = Connection("127.0.0.1", port)
    cursor = b"0"
    while True:
        cursor = client.call([command, key, cursor, b"COUNT", b"%d" % PER_BATCH])[1][0][1:]
        if cursor == b"0":
            break
    client.close()


def write(port, kind):
    """In batches, two under way."""
    client = Connection("127.0.0.1", port)
    under_way = 0
    for batch in kind.batches():
        client.send(batch)
        under_way += 1
        if under_way > 1:
            check(client.reply())
            under_way -= 1
    check(client.reply())
    client.close()


def check(reply):
    if reply[:1] == b"-":
        raise SystemExit("bench: the server refused: %r" % reply)
    return reply


def settle(port):
    """Waits until memory stays where it is: what was deleted is freed."""
    before = None
    while True:
        time.sleep(0.3)
        now = int(info(port, "memory")["used_memory_dataset"])
        if before is not None and abs(now - before) < 1 << 20:
            return
        before = now


def save_while_changing(port, kind):
    words, count = kind.changes
    client = Connection("127.0.0.1", port)
    client.call([b"BGSAVE"])
    at = 0
    while info(port, "persistence")["rdb_bgsave_in_progress"] == "1":
        for _ in range(200):
            at = (at + 7919) % count
            check(client.call([word.replace(b"@", b"%08d" % at if word != b"@" else b"%d" % at) for word in words]))
    client.close()


def expire(port, key):
    call(port, "PEXPIRE", key, "1")
    while call(port, "EXISTS", key) != b":0":
        time.sleep(0.01)
    settle(port)


def delete(port, command, key):
    check(call(port, command, key))
    settle(port)


def whole(port, *words):
    """One command whose reply may be any number of elements; they are thrown away as they come."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(encode([word.encode() for word in words]) + encode([b"PING"]))
    last = b""
    while not last.endswith(b"+PONG\r\n"):
        last = (last + client.recv(1 << 20))[-7:]
    client.close()


class Stalls:
    """Runs steps with watching clients on all nodes and prints the longest wait of each."""

    def __init__(self, nodes, port, count):
        self.port, self.count = port, count
        self.watchers = [Watcher(address[1]) for address in nodes]

    def step(self, name, work):
        for watcher in self.watchers:
            watcher.take()
        call(self.port, "CONFIG", "RESETSTAT")
        begun = time.monotonic()
        work()
        took = time.monotonic() - begun
        waits = [watcher.take() for watcher in self.watchers]
        turn = int(info(self.port, "stats")["eventloop_duration_max"]) / 1000
        print("%-8d %-36s %8.2f %14.1f %14.1f" % (self.count, name, took, max(waits), turn), flush=True)

    def stop(self):
        for watcher in self.watchers:
            watcher.stop()


def in_pieces(options):
    """A large value of each kind, written, read, saved, deleted and expired."""
    print("\n%-8s %-36s %8s %14s %14s" % ("nodes", "large values", "seconds", "longest ms", "longest turn"))
    for nodes in map(int, options.nodes.split(",")):
        for kind in kinds(options.elements):
            if options.kinds and kind.name not in options.kinds.split(","):
                continue
            one_kind(options, nodes, kind)
        if not options.kinds or "string" in options.kinds.split(","):
            one_string(options, nodes)


def one_kind(options, nodes, kind):
    server, port, _ = skein(options, "--wal-max-size", "8gb", nodes=nodes)
    stalls = Stalls(server.nodes(), port, nodes)
    name = "%s of %d" % (kind.name, kind.count)
    try:
        stalls.step(name + ": written", lambda: write(port, kind))
        stalls.step(name + ": read in pages", lambda: kind.pages(port))
        stalls.step(name + ": changed in BGSAVE", lambda: save_while_changing(port, kind))
        stalls.step(name + ": DEL", lambda: delete(port, "DEL", kind.name))
        write(port, kind)
        stalls.step(name + ": UNLINK", lambda: delete(port, "UNLINK", kind.name))
        write(port, kind)
        stalls.step(name + ": PEXPIRE", lambda: expire(port, kind.name))
    finally:
        stalls.stop()
        server.stop()


def one_string(options, nodes):
    server, port, _ = skein(options, "--wal-max-size", "8gb", "--request-timeout", "60000", nodes=nodes)
    stalls = Stalls(server.nodes(), port, nodes)
    value = os.urandom(1 << 20) * (VALUE_BYTES >> 20)

    def send():
        client = Connection("127.0.0.1", port)
        client.socket.settimeout(60)
        check(client.call([b"SET", b"string", value]))
        client.close()

    try:
        stalls.step("string of 100 MB: SET", send)
        stalls.step("string of 100 MB: GET", lambda: whole(port, "GET", "string"))
        stalls.step("string of 100 MB: APPEND", lambda: call(port, "APPEND", "string", "x"))
        stalls.step("string of 100 MB: BGSAVE", lambda: save(port))
        stalls.step("string of 100 MB: SET over it", send)
        stalls.step("string of 100 MB: DEL", lambda: delete(port, "DEL", "string"))
        send()
        stalls.step("string of 100 MB: PEXPIRE", lambda: expire(port, "string"))
    finally:
        stalls.stop()
        server.stop()


WHOLE = [("LRANGE", "list", "0", "-1"), ("HGETALL", "hash"), ("SMEMBERS", "set"),
         ("ZRANGE", "sorted", "0", "-1", "WITHSCORES"), ("GET", "string"), ("APPEND", "string", "x"),
         ("KEYS", "*"), ("DEL", "list")]


def at_once(options):
    """Commands with one long answer, beside redis-server."""
    found = {}
    contenders = [("redis", redis(options)), ("skein", skein(options, "--wal-max-size", "8gb", "--request-timeout", "60000"))]
    try:
        for name, (server, port, _) in contenders:
            for kind in kinds(options.elements):
                kind.count = options.elements // 10
                write(port, kind)
            call(port, "SET", "string", b"x" * VALUE_BYTES)
            load(port, numbered(0, options.elements // 10, b"SET", b"key:@", b"x" * 64))
            found[name] = {}
        watchers = {name: Watcher(port) for name, (_, port, _) in contenders}
        for _ in range(options.rounds):
            for words in WHOLE:
                for name, (_, port, _) in contenders:
                    if words[0] == "DEL":
                        call(port, "COPY", "list", "list2")
                        words = ("DEL", "list2")
                        time.sleep(0.3)
                    if words[0] == "APPEND":
                        call(port, "SET", "string", b"x" * VALUE_BYTES)
                    watchers[name].take()
                    whole(port, *words)
                    time.sleep(0.2)
                    found[name].setdefault(words, []).append(watchers[name].take())
        print("\n%-36s %10s %10s %7s" % ("longest wait of others, ms", "redis", "skein", "ratio"))
        for words in found["skein"]:
            before, now = (statistics.median(found[name][words]) for name in ("redis", "skein"))
            print("%-36s %10.1f %10.1f %7.2f" % (" ".join(words), before, now, now / before), flush=True)
    finally:
        for name, (server, _, _) in contenders:
            server.stop()


