"""What the storage benchmarks share: servers, their memory and INFO, and clients that fill them."""

import csv
import os
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Differential"))

import servers  # noqa: E402
from resp import Connection, encode  # noqa: E402

PAGE = os.sysconf("SC_PAGESIZE")
BATCH = 500


def redis(options):
    """A redis-server without persistence: (server, port, pid)"""
    server = servers.Redis(parent=options.dir)
    return server, server.port, server.process.pid


def skein(options, *directives, nodes=1):
    """Nodes; port and pid are the leader's: (server, port, pid)"""
    server = servers.Skein(nodes, *directives, parent=options.dir)
    port = server.nodes()[-1][1]
    return server, port, server.pids()[port - server.base]


def resident(pid):
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * PAGE


def call(port, *words):
    connection = Connection("127.0.0.1", port)
    reply = connection.call([word.encode() if isinstance(word, str) else word for word in words])
    connection.close()
    return reply


def info(port, section):
    text = call(port, "INFO", section)[1:].decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def save(port):
    """BGSAVE, and returns when it is over."""
    call(port, "BGSAVE")
    while info(port, "persistence")["rdb_bgsave_in_progress"] == "1":
        threading.Event().wait(0.05)


def load(port, commands, window=20):
    """Sends encoded commands in pipelines, as fast as they are answered; every reply is one line."""
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answered = threading.Semaphore(window)
    sent, lines, done = [0], [0], threading.Event()

    def drain():
        batches = 0
        while not (done.is_set() and lines[0] == sent[0]):
            data = client.recv(1 << 20)
            if not data or b"-" in data:
                print("bench: the server refused: %r" % data[:200], file=sys.stderr)
                os._exit(1)
            lines[0] += data.count(b"\n")
            while batches < lines[0] // BATCH:
                batches += 1
                answered.release()

    reader = threading.Thread(target=drain)
    reader.start()
    batch = []
    for command in commands:
        batch.append(command)
        if len(batch) == BATCH:
            sent[0] += BATCH
            answered.acquire()
            client.sendall(b"".join(batch))
            batch = []
    sent[0] += len(batch) + 1
    done.set()
    # One more, so that the reader sees the end.
    client.sendall(b"".join(batch) + encode([b"SET", b"key:000000000000", b"x" * 64]))
    reader.join()
    client.close()


def numbered(first, last, *words):
    """The same command with running numbers of 12 digits in its one `@`."""
    before, after = placed(words)
    return (before + b"%012d" % number + after for number in range(first, last))


def placed(words):
    mark = b"@" * 12
    before, after = encode([word.replace(b"@", mark) for word in words]).split(mark)
    return before, after


def strings(first, last, *more):
    return numbered(first, last, b"SET", b"key:@", b"x" * 64, *more)


def hashes(first, last):
    fields = [part for field in range(10) for part in (b"fld%02d" % field, b"value%05d" % field)]
    return numbered(first, last, b"HSET", b"hsh:@", *fields)


def benchmark(port, requests, *more, test="set", clients=50, pipeline=16, keys=1000000,
              nice=0):
    """(requests per second, p50, p99, longest ms) of redis-benchmark"""
    kind = [] if more else ["-t", test]
    done = subprocess.run(["nice", "-n", str(nice), "redis-benchmark", "-p", str(port), *kind, "-c", str(clients), "-P", str(pipeline),
                           "-d", "64", "-r", str(keys), "-n", str(requests), "--csv", *more],
                          capture_output=True, text=True, check=True)
    row = list(csv.DictReader(line for line in done.stdout.splitlines() if line.startswith('"')))[-1]
    return tuple(float(row[column]) for column in ("rps", "p50_latency_ms", "p99_latency_ms", "max_latency_ms"))
