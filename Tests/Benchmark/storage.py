"""Measures what data costs: memory, turns, snapshots, restarts, catching up, and what large values cost others."""

import argparse
import importlib
import os
import signal
import sys

from loading import servers

TESTS = ("memory", "turns", "large", "whole", "snapshot", "overwrite", "follower", "restart")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench --storage", description=__doc__)
    parser.add_argument("--tests", default=",".join(TESTS), help="which (%s)" % ",".join(TESTS))
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of what is compared; the median counts (3)")
    parser.add_argument("--keys", default="700000,1000000,1400000,2000000",
                        help="memory: keys to measure at (700000,1000000,1400000,2000000)")
    parser.add_argument("--values", default="string,expiring,hash", help="memory: of which kind (string,expiring,hash)")
    parser.add_argument("--insert", type=int, default=4000000, metavar="N", help="turns: SETs while tables grow (4000000)")
    parser.add_argument("--nodes", default="1,3", help="large: in clusters of so many nodes (1,3)")
    parser.add_argument("--elements", type=int, default=10000000, metavar="N",
                        help="large: of a list; other kinds have a tenth (10000000)")
    parser.add_argument("--kinds", default="", help="large: list,hash,set,sorted,string (all)")
    parser.add_argument("--megabytes", type=int, default=1000, metavar="N",
                        help="snapshot, follower, restart: data in values of 1000 bytes (1000)")
    parser.add_argument("--live", type=int, default=200, metavar="N", help="overwrite: megabytes of live data (200)")
    parser.add_argument("--times", type=int, default=20, metavar="N", help="overwrite: how often all is overwritten (20)")
    parser.add_argument("--share", type=float, default=0.5, help="snapshot: of full load (0.5)")
    parser.add_argument("--dir", default=os.path.join(servers.ROOT, "data"), help="where the files go (data)")
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    return options


def main():
    options = arguments()
    # Told to end, it still stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: told to end"))
    for name in options.tests.split(","):
        module, function = {"whole": ("large", "at_once"), "large": ("large", "in_pieces"),
                            "overwrite": ("endurance", "run"), "follower": ("endurance", "follower"),
                            "restart": ("snapshots", "restart"), "snapshot": ("snapshots", "under_load"),
                            "memory": ("memory", "run"), "turns": ("memory", "turns")}[name]
        getattr(importlib.import_module(module), function)(options)


if __name__ == "__main__":
    main()
