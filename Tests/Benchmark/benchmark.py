"""Alternates redis-benchmark between three Skein nodes and one redis-server; scripts/bench starts it."""

import argparse
import csv
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Differential"))

import servers  # noqa: E402
from resp import Connection  # noqa: E402

TESTS = ("set", "get", "incr", "lpush", "hset")
TICK = os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--via", choices=("leader", "follower"), default="leader", help="Skein's port (leader)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each; the median counts (3)")
    parser.add_argument("--requests", type=int, default=50000, metavar="N",
                        help="per run at -P 1, four times as many at -P 16 (50000)")
    parser.add_argument("--tests", default=",".join(TESTS), help="of redis-benchmark (%s)" % ",".join(TESTS))
    parser.add_argument("--pipelines", default="1,16", help="values for -P (1,16)")
    parser.add_argument("--clients", default="50", help="value for -c (50)")
    parser.add_argument("--nodes", type=int, default=3, help="Skein nodes (3)")
    parser.add_argument("--directive", action="append", default=[], metavar="'NAME VALUE'", help="for Skein's nodes")
    parser.add_argument("--against", metavar="'NAME VALUE'",
                        help="instead of Redis: a second cluster with this directive, on the same machine and disk")
    parser.add_argument("--no-redis", action="store_true", help="only Skein")
    parser.add_argument("--dir", default=os.path.join(servers.ROOT, "data"),
                        help="where both keep their files: on a real disk, else fsync costs nothing (data)")
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    return options


class Contender:
    """A server under load: its port, and the processes whose CPU time counts."""

    def __init__(self, name, server, port, pids):
        self.name, self.server, self.port, self.pids = name, server, port, pids

    def cpu_seconds(self):
        total = 0
        for pid in self.pids:
            with open("/proc/%d/stat" % pid) as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def flush(self):
        connection = Connection("127.0.0.1", self.port)
        connection.call([b"FLUSHALL"])
        connection.close()

    def measure(self, test, pipeline, clients, requests):
        """(requests per second, p50 ms, p99 ms, CPU microseconds per request)"""
        before = self.cpu_seconds()
        done = subprocess.run(
            ["redis-benchmark", "-p", str(self.port), "-t", test, "-c", clients, "-P", str(pipeline), "-d", "64",
             "-r", "100000", "-n", str(requests), "--csv"], capture_output=True, text=True)
        used = self.cpu_seconds() - before
        rows = list(csv.DictReader(line for line in done.stdout.splitlines() if line.startswith('"')))
        if done.returncode != 0 or not rows:
            sys.exit("bench: redis-benchmark failed against %s:\n%s%s" % (self.name, done.stdout, done.stderr))
        row = rows[-1]
        return (float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]), used / requests * 1e6)


def skein(options, *more):
    directives = [word for each in [*options.directive, *more]
                  for word in ("--" + each.split(" ", 1)[0], each.split(" ", 1)[1])]
    server = servers.Skein(options.nodes, *directives, parent=options.dir)
    nodes = server.nodes()  # followers first
    port = nodes[-1][1] if options.via == "leader" else nodes[0][1]
    return Contender(" ".join(more)[:15] or "skein, %d nodes" % options.nodes, server, port, server.pids())


def redis(options):
    server = servers.Redis("--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0",
                           parent=options.dir)
    return Contender("redis", server, server.port, [server.process.pid])


def main():
    options = arguments()
    contenders = [skein(options)]
    try:
        if options.against:
            contenders.append(skein(options, options.against))
        elif not options.no_redis:
            contenders.append(redis(options))
        results = {}
        for turn in range(options.rounds):
            for pipeline in map(int, options.pipelines.split(",")):
                for test in options.tests.split(","):
                    requests = options.requests * (4 if pipeline > 1 else 1)
                    for contender in contenders if turn % 2 == 0 else contenders[::-1]:
                        if test != "get":  # GET reads what SET left
                            contender.flush()
                        results.setdefault((pipeline, test, contender.name), []).append(
                            contender.measure(test, pipeline, options.clients, requests))
        show(options, contenders, results)
    finally:
        for contender in contenders:
            contender.server.stop()


def show(options, contenders, results):
    print("%d cores; median of %d rounds; -c %s -d 64 -r 100000; Skein through the %s's port" %
          (os.cpu_count(), options.rounds, options.clients, options.via))
    print("%-8s %-3s %-15s %10s %9s %9s %9s %7s" % ("test", "-P", "server", "requests/s", "p50 ms", "p99 ms", "CPU us", "ratio"))
    for pipeline in map(int, options.pipelines.split(",")):
        for test in options.tests.split(","):
            medians = [[statistics.median(column) for column in zip(*results[(pipeline, test, contender.name)])]
                       for contender in contenders]
            for contender, median in zip(contenders, medians):
                ratio = "%7.2f" % (median[0] / medians[-1][0]) if contender is contenders[0] and len(contenders) > 1 else ""
                print("%-8s %-3d %-15s %10.0f %9.3f %9.3f %9.1f %s" % (test.upper(), pipeline, contender.name, *median, ratio))


if __name__ == "__main__":
    main()
