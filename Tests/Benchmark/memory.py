"""What keys take of memory, beside redis-server, and how long turns last while tables grow."""

import statistics
import time

from loading import benchmark, call, hashes, info, load, redis, resident, skein, strings

KINDS = {
    "string": ("string, 16 + 64 bytes", strings),
    "expiring": ("string with expiry", lambda first, last: strings(first, last, b"EX", b"1000000")),
    "hash": ("hash of 10 small fields", hashes),
}


def run(options):
    sizes = [int(number) for number in options.keys.split(",")]
    print("\n%-26s %10s %12s %12s %7s" % ("resident memory", "keys", "redis MB", "skein MB", "ratio"))
    for kind in options.values.split(","):
        name, commands = KINDS[kind]
        found = {}
        for begin in (redis, lambda options: skein(options, "--raft-log-cache", "1mb")):
            server, port, pid = begin(options)
            try:
                done = 0
                for size in sizes:
                    load(port, commands(done, size))
                    done = size
                    time.sleep(2)
                    found.setdefault(size, []).append(resident(pid) / 1e6)
            finally:
                server.stop()
        for size in sizes:
            before, now = found[size]
            print("%-26s %10d %12.1f %12.1f %7.2f" % (name, size, before, now, now / before), flush=True)


def turns(options):
    """Random keys at full load, from an empty keyspace. The client yields to the node: a turn's time is measured
    by the clock, and would have the client's in it."""
    kinds = [("SET", ["SET", "key:__rand_int__", "x" * 64]),
             ("SET with expiry", ["SET", "key:__rand_int__", "x" * 64, "EX", "100000"]),
             ("SET into one slot", ["SET", "{k}:__rand_int__", "x" * 64]),
             ("HSET of 10 fields", ["HSET", "hash:__rand_int__"] + [word + str(at) for at in range(10) for word in ("f", "v")]),
             ("HSET of new fields", ["HSET", "hash", "field:__rand_int__", "x" * 20]),
             ("ZADD of new members", ["ZADD", "sorted", "__rand_int__", "member:__rand_int__"])]
    print("\n%-22s %10s %11s %9s %9s   %s" %
          ("-c 50 -P 16", "keys", "requests/s", "p99 ms", "turn ms", "longest turn ms by the clock, of the processor"))
    for name, words in kinds:
        rounds = []
        for _ in range(options.rounds):
            server, port, _ = skein(options, "--wal-max-size", "8gb")
            try:
                call(port, "CONFIG", "RESETSTAT")
                rate, _, p99, _ = benchmark(port, options.insert, *words, keys=options.insert * 7 // 10,
                                              nice=19)
                stats = info(port, "stats")
                keys = call(port, "DBSIZE")[1:].decode()
                rounds.append((rate, p99, int(stats["eventloop_duration_sum"]) / int(stats["eventloop_cycles"]) / 1000,
                               int(stats["eventloop_duration_max"]) / 1000, int(stats["eventloop_cpu_max"]) / 1000))
            finally:
                server.stop()
        medians = [statistics.median(column) for column in zip(*rounds)]
        print("%-22s %10s %11.0f %9.2f %9.2f   %s" %
              (name, keys, *medians[:3], " ".join("%.1f, %.1f" % each[3:] for each in rounds)), flush=True)
