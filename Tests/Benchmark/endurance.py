"""Endless overwrites: disk and memory that a node takes; and a follower that comes back after a long absence."""

import os
import random
import statistics
import threading
import time

from loading import benchmark, call, info, load, placed, resident, skein
from snapshots import VALUE_BYTES, fill

FIXED = 256e6  # bytes on disk that are allowed beside the multiple of the live data


def disk_used(directory):
    """Bytes of blocks of all files; those that go meanwhile are gone."""
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                pass
    return total


class Sampler:
    """Disk and resident memory every 50 ms, and whether a snapshot was being written."""

    def __init__(self, directory, port, pid):
        self.samples, self.stopping = [], False
        self.thread = threading.Thread(target=self.run, args=(directory, port, pid))
        self.thread.start()

    def run(self, directory, port, pid):
        while not self.stopping:
            before = info(port, "persistence")["rdb_bgsave_in_progress"] == "1"
            used = disk_used(directory)
            after = info(port, "persistence")["rdb_bgsave_in_progress"] == "1"
            self.samples.append((before or after, used, resident(pid)))
            time.sleep(0.05)

    def stop(self):
        self.stopping = True
        self.thread.join()


def overwritten(keys, times, chance):
    """Every key, `times` times, at random."""
    before, after = placed([b"SET", b"big:@", b"$" * VALUE_BYTES])
    head, tail = after.split(b"$" * VALUE_BYTES)
    return (before + b"%012d" % chance.randrange(keys) + head + chance.randbytes(VALUE_BYTES) + tail
            for _ in range(keys * times))


def run(options):
    server, port, pid = skein(options, "--wal-max-size", "32mb", "--raft-log-cache", "16mb")
    keys, live = options.live * 1000, options.live * 1e6
    try:
        fill(port, options.live, random.Random(1))
        sampler = Sampler(server.dir, port, pid)
        chance = random.Random(2)
        print("\n%d MB live, wal-max-size 32mb, SETs at random" % options.live)
        print("%-12s %8s %10s %12s %14s %12s %10s" %
              ("written", "MB/s", "snapshots", "disk MB max", "in snapshot", "memory MB", "peak MB"))
        done, worst = 0, [0, 0]
        for times in sorted({options.times // 4, options.times // 2, options.times}):
            first, begun = len(sampler.samples), time.monotonic()
            load(port, overwritten(keys, times - done, chance))
            took = time.monotonic() - begun
            time.sleep(0.2)
            samples = sampler.samples[first:]
            calm = max((used for saving, used, _ in samples if not saving), default=0)
            busy = max((used for saving, used, _ in samples if saving), default=0)
            memory = [each[2] for each in samples]
            worst = [max(worst[0], calm), max(worst[1], busy)]
            print("%-12s %8.0f %10s %12.0f %14.0f %12.0f %10.0f" %
                  ("%d times" % times, (times - done) * live / took / 1e6, info(port, "persistence")["snapshots_written"],
                   calm / 1e6, busy / 1e6, statistics.median(memory[len(memory) // 2:]) / 1e6, max(memory) / 1e6), flush=True)
            done = times
        sampler.stop()
        print("at most %.2f times the live data + 256 MB outside a snapshot (3 allowed), %.2f times during one (4 allowed)" %
              tuple((each - FIXED) / live for each in worst))
    finally:
        server.stop()


def follower(options):
    """A follower that missed all the data, back while SETs run at full load."""
    server, port, _ = skein(options, "--wal-max-size", "512mb", nodes=3)
    try:
        gone = next(number for number in (1, 2, 3) if server.base + number - 1 != port)
        server.cluster("kill", str(gone))
        fill(port, options.megabytes, random.Random(1))
        while info(port, "persistence")["rdb_bgsave_in_progress"] == "1":
            time.sleep(0.1)
        rate = lambda: benchmark(port, 100000)[:3]
        before, term = [rate() for _ in range(3)], standing(port)
        begun = time.monotonic()
        threading.Thread(target=server.cluster, args=("start-node", str(gone))).start()
        during, took = [], None
        caught = threading.Event()

        def watch():
            nonlocal took
            back = server.base + gone - 1
            while True:
                time.sleep(0.1)
                lines = info(port, "replication")
                lines = [value for name, value in lines.items() if name.startswith("slave") and "port=%d," % back in value]
                if lines and "state=online" in lines[0]:
                    offset = int(lines[0].split("offset=")[1].split(",")[0])
                    if int(info(port, "replication")["master_repl_offset"]) - offset < 20000:
                        break
            took = time.monotonic() - begun
            caught.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        while not caught.is_set():
            during.append(rate())
        watcher.join()
        after = [rate() for _ in range(3)]
        print("\na follower that is %d MB behind comes back; SETs of 50 clients, -P 16, through the leader" % options.megabytes)
        print("%-12s %10s %9s %9s" % ("", "requests/s", "p50 ms", "p99 ms"))
        for name, rounds in (("two nodes", before), ("catching up", during), ("three nodes", after)):
            print("%-12s %10.0f %9.2f %9.2f" % (name, *(statistics.median(column) for column in zip(*rounds))))
        sent = info(port, "persistence")["snapshots_sent"]
        print("caught up after %.1f s by %s snapshot(s); leader and term before %s, after %s" % (took, sent, term, standing(port)))
    finally:
        server.stop()


def standing(port):
    text = info(port, "raft")["raft_group1"]
    return " ".join(part for part in text.split(",") if part.startswith(("leader=", "term=")))
