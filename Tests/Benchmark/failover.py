"""What a client sees when the leader goes: one client writes every 5 ms through a surviving node, and the longest
time between two of its OKs is what the loss of the leader cost it."""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time

from loading import call, encode, info
from resp import Connection
import servers

EVERY = 0.005  # seconds between two writes


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench --failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="leaders lost in each way (20)")
    parser.add_argument("--nodes", type=int, default=3, help="Skein nodes (3)")
    parser.add_argument("--ways", default="kill,stop", help="kill -9, and a clean shutdown (kill,stop)")
    parser.add_argument("--directive", action="append", default=[], metavar="'NAME VALUE'", help="for the nodes")
    parser.add_argument("--base-port", type=int, help="first of the nodes' ports (any free ones)")
    parser.add_argument("--logs", action="store_true", help="print what the nodes logged in the worst round")
    parser.add_argument("--dir", default=os.path.join(servers.ROOT, "data"),
                        help="where the nodes keep their files: on a real disk (data)")
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    return options


class Writer:
    """Writes every 5 ms over one connection, on a thread of its own; what it was answered, and when."""

    def __init__(self, port):
        self.connection = Connection("127.0.0.1", port)
        self.acknowledged, self.errors, self.stopping = [], [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number, due = 0, time.monotonic()
        while not self.stopping:
            reply = self.connection.call([b"SET", b"failover", b"%d" % number])
            now = time.monotonic()
            if reply == b"+OK":
                self.acknowledged.append(now)
            else:
                self.errors.append(reply.decode())
            number += 1
            due = max(due + EVERY, now - EVERY)
            time.sleep(max(0, due - now))
        self.connection.close()

    def stop(self):
        self.stopping = True
        self.thread.join()

    def longest_gap(self, since):
        """Milliseconds between two OKs, of which the second came after `since`."""
        return max((after - before) * 1000 for before, after in zip(self.acknowledged, self.acknowledged[1:])
                   if after >= since)


class Cluster:
    def __init__(self, options):
        if options.base_port:
            servers.free_base_port = lambda _: options.base_port
        directives = [word for each in options.directive
                      for word in ("--" + each.split(" ", 1)[0], each.split(" ", 1)[1])]
        self.server = servers.Skein(options.nodes, *directives, parent=options.dir)
        self.ports = [self.server.base + number for number in range(options.nodes)]

    def leader(self):
        """The place of the leader of the data group."""
        for number, port in enumerate(self.ports):
            if b"role:master" in call(port, "INFO", "replication"):
                return number
        sys.exit("bench: nobody leads")

    def lose(self, number, way):
        os.kill(self.server.pids()[number], signal.SIGKILL if way == "kill" else signal.SIGTERM)

    def restore(self, number):
        """Starts the lost node again, and waits until it holds what the others hold."""
        pid = self.server.pids()[number]
        wait(lambda: not os.path.exists("/proc/%d/task" % pid) or is_zombie(pid), "node %d does not end" % (number + 1))
        self.server.cluster("start-node", str(number + 1))
        wait(lambda: self.is_level(), "node %d does not catch up" % (number + 1))

    def is_level(self):
        """Whether every node has applied the same, and hears all others."""
        try:
            reports = [info(port, "raft") for port in self.ports]
        except OSError:
            return False
        for group in (0, 1):
            applied = {report.get("raft_group%d" % group, "").partition("applied=")[2].split(",")[0]
                       for report in reports}
            if len(applied) != 1 or "" in applied:
                return False
        return not any("link=down" in value for report in reports for value in report.values())

    def log(self):
        lines = []
        for number in range(len(self.ports)):
            with open(os.path.join(self.server.dir, "node%d.log" % (number + 1))) as file:
                lines += ["n%d %s" % (number + 1, line.rstrip()) for line in file]
        return lines


def is_zombie(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def wait(condition, complaint, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("bench: " + complaint)
        time.sleep(0.02)


def play(cluster, way):
    """(the longest gap in ms, the errors) of the client of one round"""
    leader = cluster.leader()
    survivor = cluster.ports[(leader + 1) % len(cluster.ports)]
    writer = Writer(survivor)
    try:
        # Not at the same place of a heartbeat each time.
        time.sleep(random.uniform(0.3, 0.5))
        lost = time.monotonic()
        cluster.lose(leader, way)
        wait(lambda: writer.acknowledged[-1:] > [lost + 0.5] or writer.errors, "no write succeeds any more")
        time.sleep(0.2)
    finally:
        writer.stop()
    cluster.restore(leader)
    time.sleep(0.5)
    return writer.longest_gap(lost), writer.errors


def main():
    options = arguments()
    cluster = Cluster(options)
    try:
        print("%d nodes on %d cores; a client that writes every %d ms through a surviving node; ms between two OKs" %
              (options.nodes, os.cpu_count(), EVERY * 1000))
        print("%-16s %7s %7s %7s %7s %7s" % ("", "rounds", "median", "best", "worst", "errors"))
        for way in options.ways.split(","):
            gaps, errors, told = [], [], []
            for _ in range(options.rounds):
                seen = len(cluster.log())
                gap, refused = play(cluster, way)
                if not gaps or gap > max(gaps):
                    told = cluster.log()
                gaps.append(gap)
                errors += refused
            print("%-16s %7d %7.0f %7.0f %7.0f %7d" % ({"kill": "kill -9", "stop": "clean shutdown"}[way], len(gaps),
                  statistics.median(gaps), min(gaps), max(gaps), len(errors)), flush=True)
            print("  " + " ".join("%.0f" % gap for gap in gaps))
            for error in sorted(set(errors)):
                print("  %s" % error)
            if options.logs:
                print("\n".join(told))
    finally:
        cluster.server.stop()


if __name__ == "__main__":
    main()
