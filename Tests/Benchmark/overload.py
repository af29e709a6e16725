"""Open-loop load against three Skein nodes: at a share of what they can do, and at three times of it.

Clients send on a schedule, whether they are answered or not, and want each answer within a deadline. Goodput is
the answers per second that came within it. A client whose socket has taken nothing for as long as the deadline
gives up what is due, as client libraries do ("unsent"). The load has one processor for itself and the nodes share
the others: three times the load is three times the work of sending it, which is not to be taken from the nodes.
scripts/bench --overload starts this.
"""

import argparse
import collections
import os
import select
import socket
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Differential"))

import servers  # noqa: E402
from resp import Connection  # noqa: E402


REFUSED = b"-TRYAGAIN Too many commands are waiting, this one was not executed"


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench --overload", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of each run; the first quarter is not counted (8)")
    parser.add_argument("--deadline", type=float, default=1.0, help="seconds within which an answer counts (1)")
    parser.add_argument("--connections", type=int, default=64, help="over all nodes (64)")
    parser.add_argument("--burst", type=int, default=16, help="commands per send (16)")
    parser.add_argument("--keys", type=int, default=10, help="of each MSET, with 64 bytes per value (10)")
    parser.add_argument("--times", default="1,2,3", help="loads, in times of the capacity (1,2,3)")
    parser.add_argument("--capacity", type=int, default=0, help="requests per second; 0: measure it first")
    parser.add_argument("--nodes", type=int, default=3, help="Skein nodes (3)")
    parser.add_argument("--shared", action="store_true", help="let the load and the nodes use the same processors")
    parser.add_argument("--directive", action="append", default=[], metavar="'NAME VALUE'", help="for Skein's nodes")
    parser.add_argument("--dir", default=os.path.join(servers.ROOT, "data"), help="for the nodes' files (data)")
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    return options


def command(prefix, keys):
    words = [b"MSET"] if keys > 1 else [b"SET"]
    for key in range(keys):
        words += [prefix + b"%d" % key, b"v" * 64]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    """One connection: what was sent and not answered, burst by burst."""

    def __init__(self, port, number, options):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
        self.socket.setblocking(False)
        self.bytes = b"".join(command(b"{%d}%d:" % (number, at), options.keys) for at in range(options.burst))
        self.unsent = b""
        self.rest = b""
        self.waiting = collections.deque()  # [when it was due, answers still to come]
        self.outstanding = 0
        self.stuck = None  # since when the socket takes nothing
        self.watched = select.EPOLLIN


class Counts:
    def __init__(self):
        self.good = self.late = self.refused = self.unsent = self.other = 0
        self.behind = 0.0  # seconds that the load itself was behind its schedule, at most
        self.busy = 0.0  # the load's share of its processor
        self.waits = []


class Load:
    """All connections, in one thread: a burst is due every so often, on one connection after the other."""

    def __init__(self, ports, options):
        self.options = options
        self.clients = [Client(ports[at % len(ports)], at, options) for at in range(options.connections)]
        self.poll = select.epoll()
        for client in self.clients:
            self.poll.register(client.socket, select.EPOLLIN)
        self.by_fd = {client.socket.fileno(): client for client in self.clients}

    def close(self):
        for client in self.clients:
            client.socket.close()

    def send(self, client, due):
        client.waiting.append([due, self.options.burst])
        client.outstanding += self.options.burst
        client.unsent = client.unsent + client.bytes if client.unsent else client.bytes
        self.flush(client)

    def flush(self, client):
        try:
            sent = client.socket.send(client.unsent)
            client.unsent = client.unsent[sent:] if sent < len(client.unsent) else b""
            client.stuck = time.monotonic() if client.unsent else None
        except BlockingIOError:
            client.stuck = client.stuck or time.monotonic()
        wanted = select.EPOLLIN | (select.EPOLLOUT if client.unsent else 0)
        if wanted != client.watched:
            client.watched = wanted
            self.poll.modify(client.socket, wanted)

    def receive(self, client, counts, begin):
        try:
            data = client.socket.recv(1 << 18)
        except BlockingIOError:
            return 0
        if not data:
            sys.exit("overload: a node closed a connection")
        now = time.monotonic()
        lines = (client.rest + data).split(b"\r\n")
        client.rest = lines.pop()
        at = 0
        while at < len(lines):
            burst = client.waiting[0]
            taken = min(burst[1], len(lines) - at)
            self.count(lines[at:at + taken], burst[0], now, counts, begin)
            at += taken
            burst[1] -= taken
            if burst[1] == 0:
                client.waiting.popleft()
        client.outstanding -= len(lines)
        return len(lines)

    def count(self, lines, due, now, counts, begin):
        if due < begin:
            return
        done = lines.count(b"+OK")
        if now - due <= self.options.deadline:
            counts.good += done
        else:
            counts.late += done
        if done:
            counts.waits.append(now - due)
        if done < len(lines):
            refused = lines.count(REFUSED)
            counts.refused += refused
            counts.other += len(lines) - done - refused

    def turn(self, counts, begin, timeout):
        answered = 0
        for fd, event in self.poll.poll(timeout):
            client = self.by_fd[fd]
            if event & select.EPOLLOUT:
                self.flush(client)
            if event & select.EPOLLIN:
                answered += self.receive(client, counts, begin)
        return answered

    def closed_loop(self, seconds, depth):
        """Answers per second with so many bursts outstanding on each connection."""
        counts = Counts()
        end = time.monotonic() + seconds
        begin = end - seconds * 0.75
        while time.monotonic() < end:
            for client in self.clients:
                while client.outstanding <= (depth - 1) * self.options.burst:
                    self.send(client, time.monotonic())
            self.turn(counts, begin, 0.001)
        self.drain()
        return (counts.good + counts.late) / (seconds * 0.75)

    def open_loop(self, rate, seconds):
        """Sends `rate` commands a second; what came of those due in the last three quarters."""
        counts = Counts()
        start, work = time.monotonic(), time.process_time()
        begin = start + seconds * 0.25
        end = start + seconds
        gap = self.options.burst / rate
        due, number = start, 0
        while True:
            now = time.monotonic()
            if now >= end:
                break
            if due >= begin:
                counts.behind = max(counts.behind, now - due)
            while due <= now:
                client = self.clients[number % len(self.clients)]
                number += 1
                if client.stuck and now - client.stuck > self.options.deadline:
                    counts.unsent += self.options.burst if due >= begin else 0
                else:
                    self.send(client, due)
                due += gap
            self.turn(counts, begin, max(0, min(due - time.monotonic(), 0.005)))
        sent = number * self.options.burst / seconds
        counts.busy = (time.process_time() - work) / seconds
        self.drain(counts, begin)
        return counts, sent

    def drain(self, counts=None, begin=float("inf")):
        end = time.monotonic() + 10
        while any(client.outstanding for client in self.clients) and time.monotonic() < end:
            self.turn(counts or Counts(), begin, 0.05)


def percentile(waits, share):
    return sorted(waits)[min(len(waits) - 1, int(share * len(waits)))] * 1000 if waits else 0


def processors(options):
    """Which the nodes use and which the load: disjoint, unless there is only one or --shared is given."""
    every = sorted(os.sched_getaffinity(0))
    if options.shared or len(every) < 2:
        print("processors: %d, shared by the nodes and the load" % len(every))
        return every, every
    print("processors: %d for the nodes, 1 for the load" % (len(every) - 1))
    return every[:-1], every[-1:]


def measure(options, ports):
    capacity = options.capacity
    if not capacity:
        load = Load(ports, options)
        load.closed_loop(2, 4)
        reached = {depth: int(load.closed_loop(2.5, depth)) for depth in (1, 2, 4, 8, 16)}
        load.close()
        capacity = max(reached.values())
        print("closed loops, answers per second by commands outstanding: %s" % ", ".join(
            "%d: %d" % (options.connections * options.burst * depth, rate) for depth, rate in reached.items()))
    print("capacity: %d commands per second (MSET of %d keys, %d connections to %d nodes, %d commands per send)"
          % (capacity, options.keys, options.connections, len(ports), options.burst))
    print("%6s %9s %9s %9s %9s %9s %9s %9s %8s %8s %9s %6s" % (
        "load", "due/s", "good/s", "of cap.", "late/s", "refused/s", "unsent/s", "other/s", "p50 ms", "p99 ms",
        "behind ms", "busy"))
    for times in (float(text) for text in options.times.split(",")):
        load = Load(ports, options)
        counts, due = load.open_loop(capacity * times, options.seconds)
        load.close()
        span = options.seconds * 0.75
        print("%5.1fx %9d %9d %8.0f%% %9d %9d %9d %9d %8.0f %8.0f %9.0f %5.0f%%" % (
            times, due, counts.good / span, 100 * counts.good / span / capacity, counts.late / span,
            counts.refused / span, counts.unsent / span, counts.other / span, percentile(counts.waits, 0.5),
            percentile(counts.waits, 0.99), counts.behind * 1000, counts.busy * 100))
        sys.stdout.flush()


def main():
    options = arguments()
    directives = [word for each in options.directive for word in ("--" + each.split(" ", 1)[0], each.split(" ", 1)[1])]
    for_nodes, for_load = processors(options)
    os.sched_setaffinity(0, for_nodes)  # what is started here inherits it
    skein = servers.Skein(options.nodes, *directives, parent=options.dir)
    os.sched_setaffinity(0, for_load)
    try:
        measure(options, [port for _, port in skein.nodes()])
    finally:
        skein.stop()


if __name__ == "__main__":
    main()
