"""Clients beside the work: one that notes how long it was kept waiting, one that sends at a fixed rate."""

import array
import collections
import multiprocessing
import os
import random
import selectors
import socket
import sys
import time

from loading import call, encode

# A process each: threads of one Python program would wait for each other.
processes = multiprocessing.get_context("fork")


class Watcher:
    """Asks PING and GET in turn, every millisecond; the longest wait is what others' work cost it."""

    def __init__(self, port):
        call(port, "SET", "watched", "x" * 64)
        self.longest = processes.Value("d", 0.0)
        self.process = processes.Process(target=self.run, args=(port,), daemon=True)
        self.process.start()

    def run(self, port):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        requests = [(encode([b"PING"]), 7), (encode([b"GET", b"watched"]), 71)]
        while True:
            for request, expected in requests:
                begun = time.monotonic()
                client.sendall(request)
                got = 0
                while got < expected:
                    got += len(client.recv(4096))
                took = time.monotonic() - begun
                if took > self.longest.value:
                    self.longest.value = took
                time.sleep(max(0, 0.001 - took))

    def take(self):
        """The longest wait since it was last taken, in milliseconds."""
        time.sleep(0.02)
        if not self.process.is_alive():
            sys.exit("bench: a watching client was cut off")
        longest = self.longest.value
        self.longest.value = 0.0
        return longest * 1000

    def stop(self):
        self.process.kill()
        self.process.join()


class Pacer:
    """SETs at a fixed rate, in pipelines, each measured from when it was due: what waits behind a stall counts."""

    def __init__(self, port, rate, pipeline=16, connections=25, keys=1000000, value=64):
        self.parent, child = processes.Pipe()
        self.process = processes.Process(
            target=self.run, args=(child, port, rate, pipeline, connections, keys, value), daemon=True)
        self.process.start()
        self.parent.recv()

    def run(self, pipe, port, rate, pipeline, connections, keys, value):
        chance = random.Random(1)
        batches = [b"".join(encode([b"SET", b"key:%012d" % chance.randrange(keys), chance.randbytes(value)])
                            for _ in range(pipeline)) for _ in range(2000)]
        clients = []
        for _ in range(connections):
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            clients.append((client, collections.deque(), [0]))
        # [due, milliseconds] of each pipeline.
        dues, waits = array.array("d"), array.array("d")
        poll = selectors.EpollSelector()
        for client in clients:
            poll.register(client[0], selectors.EVENT_READ, client)
        poll.register(pipe, selectors.EVENT_READ)
        pipe.send(None)
        gap, due, number = pipeline / rate, time.monotonic(), 0
        while True:
            now = time.monotonic()
            while due <= now:
                client, waiting, _ = clients[number % connections]
                client.sendall(batches[number % len(batches)])
                waiting.append(due)
                number += 1
                due += gap
            for key, _ in poll.select(max(0, due - time.monotonic())):
                if key.data is None:
                    pipe.recv()
                    pipe.send((dues.tobytes(), waits.tobytes()))
                    return
                client, waiting, got = key.data
                data = client.recv(1 << 16)
                if not data or b"-" in data:
                    print("bench: the server refused: %r" % data[:200], file=sys.stderr)
                    os._exit(1)
                got[0] += len(data)
                now = time.monotonic()
                while got[0] >= 5 * pipeline:
                    got[0] -= 5 * pipeline
                    begun = waiting.popleft()
                    dues.append(begun)
                    waits.append((now - begun) * 1000)

    def finish(self):
        """[(when due, milliseconds)] of all pipelines"""
        self.parent.send(None)
        dues, waits = array.array("d"), array.array("d")
        first, second = self.parent.recv()
        dues.frombytes(first)
        waits.frombytes(second)
        self.process.join()
        return list(zip(dues, waits))


def quantile(waits, share):
    waits = sorted(waits)
    return waits[min(len(waits) - 1, int(len(waits) * share))] if waits else float("nan")
