"""Measures what data costs: memory per key against redis-server, a snapshot under load, and the restart after it."""

import argparse
import csv
import os
import random
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Differential"))

import servers  # noqa: E402
from resp import Connection, ConnectionLost, encode  # noqa: E402

PAGE = os.sysconf("SC_PAGESIZE")
BATCH = 500


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench --storage", description=__doc__)
    parser.add_argument("--keys", default="700000,1000000,1400000,2000000", help="string keys to measure memory at; empty: none")
    parser.add_argument("--hashes", type=int, default=500000, help="hashes of 10 small fields (500000)")
    parser.add_argument("--snapshot-keys", type=int, default=1000000, metavar="N",
                        help="keys of 1000 random bytes in the snapshot (1000000)")
    parser.add_argument("--dir", default=os.path.join(servers.ROOT, "data"), help="where the files go (data)")
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    return options


def resident(pid):
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * PAGE


def load(port, commands):
    """Sends commands in pipelines, as fast as they are answered; every reply is one line."""
    client = socket.create_connection(("127.0.0.1", port))
    sent = [0]
    answered = threading.Semaphore(20)
    lines = [0]
    done = threading.Event()

    def drain():
        batches = 0
        while not (done.is_set() and lines[0] == sent[0]):
            data = client.recv(1 << 20)
            if not data:
                return
            if b"-" in data:
                sys.exit("bench: the server refused: %r" % data[:200])
            lines[0] += data.count(b"\r\n")
            while batches < lines[0] // BATCH:
                batches += 1
                answered.release()

    reader = threading.Thread(target=drain)
    reader.start()
    batch = []
    for command in commands:
        batch.append(encode(command))
        if len(batch) == BATCH:
            sent[0] += BATCH
            answered.acquire()
            client.sendall(b"".join(batch))
            batch = []
    sent[0] += len(batch)
    done.set()
    # One more, so that the reader sees the end.
    sent[0] += 1
    client.sendall(b"".join(batch) + encode([b"SET", b"key:000000000000", b"x" * 64]))
    reader.join()
    client.close()


def strings(first, last, *more):
    return ([b"SET", b"key:%012d" % number, b"x" * 64, *more] for number in range(first, last))


def hashes(first, last):
    fields = [part for field in range(10) for part in (b"f%d" % field, b"v%d" % field)]
    return ([b"HSET", b"hash:%011d" % number, *fields] for number in range(first, last))


def started(kind, options, *directives):
    if kind == "redis":
        server = servers.Redis(parent=options.dir)
        return server, server.port, server.process.pid
    server = servers.Skein(1, "--raft-log-cache", "1mb", *directives, parent=options.dir)
    return server, server.nodes()[0][1], server.pids()[0]


def memory(options):
    points = [int(number) for number in options.keys.split(",")]
    cases = [("string, 16 + 64 bytes", points, strings),
             ("string with expiry", points, lambda first, last: strings(first, last, b"EX", b"1000000")),
             ("hash of 10 small fields", [options.hashes], hashes)]
    print("%-26s %10s %12s %12s %7s" % ("resident memory", "keys", "redis MB", "skein MB", "ratio"))
    for name, sizes, commands in cases:
        found = {}
        for kind in ("redis", "skein"):
            server, port, pid = started(kind, options)
            try:
                done = 0
                for size in sizes:
                    load(port, commands(done, size))
                    done = size
                    time.sleep(2)
                    found[kind, size] = resident(pid) / 1e6
            finally:
                server.stop()
        for size in sizes:
            print("%-26s %10d %12.1f %12.1f %7.2f" % (name, size, found["redis", size], found["skein", size],
                                                     found["skein", size] / found["redis", size]), flush=True)


def info(port, section):
    client = Connection("127.0.0.1", port)
    text = client.call([b"INFO", section])[1:].decode()
    client.close()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def benchmark(port, requests):
    """requests per second, p50, p99 and longest ms of unpipelined SETs of 25 clients"""
    done = subprocess.run(["redis-benchmark", "-p", str(port), "-t", "set", "-c", "25", "-d", "64", "-r", "1000000",
                           "-n", str(requests), "--csv"], capture_output=True, text=True, check=True)
    row = list(csv.DictReader(line for line in done.stdout.splitlines() if line.startswith('"')))[-1]
    return tuple(float(row[column]) for column in ("rps", "p50_latency_ms", "p99_latency_ms", "max_latency_ms"))


def snapshot(options):
    server, port, pid = started("skein", options, "--wal-max-size", "16gb")
    try:
        chance = random.Random(1)
        load(port, ([b"SET", b"big:%012d" % number, chance.randbytes(1000)]
                    for number in range(options.snapshot_keys)))
        before = benchmark(port, 300000)
        calm = resident(pid)
        box = {}
        thread = threading.Thread(target=lambda: box.update(result=benchmark(port, 300000)))
        thread.start()
        time.sleep(0.5)
        begun = time.time()
        Connection("127.0.0.1", port).call([b"BGSAVE"])
        peak = calm
        while info(port, b"persistence")["rdb_bgsave_in_progress"] == "1":
            peak = max(peak, resident(pid))
            time.sleep(0.05)
        took = time.time() - begun
        thread.join()
        print("\n%d keys of 1000 random bytes, %d MB resident; SETs of 25 clients all the time" %
              (options.snapshot_keys, calm / 1e6))
        print("%-16s %10s %9s %9s %9s" % ("SET -P 1", "requests/s", "p50 ms", "p99 ms", "max ms"))
        print("%-16s %10.0f %9.3f %9.3f %9.3f" % ("no snapshot", *before))
        print("%-16s %10.0f %9.3f %9.3f %9.3f" % ("with a snapshot", *box["result"]))
        print("snapshot: %.1f s; resident memory at most %d MB (%+.0f %%)" %
              (took, peak / 1e6, 100 * (peak - calm) / calm))
        server.cluster("kill", "1")
        begun = time.time()
        server.cluster("start-node", "1")
        while True:
            try:
                reply = Connection("127.0.0.1", port).call([b"STRLEN", b"big:000000000001"])
                if reply == b":1000":
                    break
            except (OSError, ConnectionLost):
                pass
            time.sleep(0.05)
        print("restart after kill -9: first answer after %.1f s" % (time.time() - begun))
    finally:
        server.stop()


def main():
    options = arguments()
    if options.keys:
        memory(options)
    snapshot(options)


if __name__ == "__main__":
    main()
