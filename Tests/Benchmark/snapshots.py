"""A snapshot while SETs run at a fixed rate, and a restart from a snapshot with log behind it."""

import os
import random
import statistics
import threading
import time

from loading import Connection, benchmark, call, info, load, numbered, placed, resident, save, skein
from resp import ConnectionLost
from stalls import Pacer, quantile

VALUE_BYTES = 1000


def fill(port, megabytes, chance):
    before, after = placed([b"SET", b"big:@", b"$" * VALUE_BYTES])
    head, tail = after.split(b"$" * VALUE_BYTES)
    load(port, (before + b"%012d" % number + head + chance.randbytes(VALUE_BYTES) + tail
                for number in range(megabytes * 1000)))


def under_load(options):
    """Rounds without and with a snapshot in turn, at a fixed share of the rate that the node can take."""
    server, port, pid = skein(options, "--wal-max-size", "16gb")
    try:
        fill(port, options.megabytes, random.Random(1))
        load(port, numbered(0, 1000000, b"SET", b"key:@", b"x" * 64))
        full = statistics.median(benchmark(port, 1000000)[0] for _ in range(3))
        rate = full * options.share
        print("\n%d MB of values of 1000 random bytes; full load %.0f SETs per second (-c 50 -P 16 -d 64)" %
              (options.megabytes, full))
        print("%-16s %10s %9s %9s %9s %9s %8s %9s" %
              ("%.0f SETs/s" % rate, "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "seconds", "memory"))
        rounds = {"no snapshot": [], "with a snapshot": []}
        for _ in range(options.rounds):
            for name in rounds:
                rounds[name].append(one_round(port, pid, rate, name == "with a snapshot"))
                show(name, rounds[name][-1])
        for name in rounds:
            show("median, " + name.split()[0], [statistics.median(column) for column in zip(*rounds[name])])
    finally:
        server.stop()


def show(name, figures):
    print("%-16s %10.0f %9.2f %9.2f %9.2f %9.2f %8.1f %+8.1f%%" % (name, *figures), flush=True)


def one_round(port, pid, rate, saves):
    """(SETs per second, p50, p99, p99.9, longest ms, seconds, growth of resident memory in per cent)"""
    pacer = Pacer(port, rate)
    time.sleep(1)
    calm = peak = resident(pid)
    begun = time.monotonic()
    if saves:
        call(port, "BGSAVE")
    while time.monotonic() < begun + 4 or saves and info(port, "persistence")["rdb_bgsave_in_progress"] == "1":
        peak = max(peak, resident(pid))
        time.sleep(0.05)
        if saves and info(port, "persistence")["rdb_bgsave_in_progress"] == "0":
            break
    took = time.monotonic() - begun
    time.sleep(0.3)
    waits = [wait for due, wait in pacer.finish() if begun <= due <= begun + took]
    return (len(waits) * 16 / took, *(quantile(waits, share) for share in (0.5, 0.99, 0.999, 1)), took,
            100 * (peak - calm) / calm)


def restart(options):
    """kill -9 with a snapshot and 200 MB of log behind it, then the time to the first answer."""
    server, port, pid = skein(options, "--wal-max-size", "1gb")
    try:
        fill(port, options.megabytes, random.Random(1))
        save(port)
        fill(port, 200, random.Random(2))
        held = int(info(port, "persistence")["wal_held_bytes"])
        behind = int(info(port, "persistence")["rdb_changes_since_last_save"])
        times = []
        for _ in range(options.rounds):
            server.cluster("kill", "1")
            begun = time.monotonic()
            starter = threading.Thread(target=server.cluster, args=("start-node", "1"))
            starter.start()
            until_answered(port)
            times.append(time.monotonic() - begun)
            starter.join()
        print("\nrestart after kill -9, %d MB in the snapshot, 200 MB of SETs in %d entries behind it (%d MB of log): "
              "first answer after %s s" % (options.megabytes, behind, held / 1e6, ", ".join("%.1f" % each for each in times)))
    finally:
        server.stop()


def until_answered(port):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            client = Connection("127.0.0.1", port)
            reply = client.call([b"STRLEN", b"big:000000000001"])
            client.close()
            if reply == b":%d" % VALUE_BYTES:
                return
        except (OSError, ConnectionLost):
            pass
        time.sleep(0.02)
    raise SystemExit("bench: no answer within a minute of the restart")
