"""Starts and stops what the test needs: one redis-server as the reference, and Skein by scripts/cluster."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

from resp import Connection, ConnectionLost

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_base_port(nodes):
    """A port from which on `nodes` client ports and their cluster ports (+ 10000) are free."""
    for base in range(21001, 30000, 10):
        try:
            for port in [base + i for i in range(nodes)] + [base + 10000 + i for i in range(nodes)]:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise SystemExit("differential: no free ports")


class Redis:
    """A redis-server, without persistence unless `options` (as on its command line) say otherwise."""

    def __init__(self, *options, parent=None):
        self.port = free_port()
        self.dir = tempfile.mkdtemp(prefix="skein-redis-", dir=parent)
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", self.dir,
             "--enable-debug-command", "yes", "--loglevel", "warning", *options], stdout=subprocess.DEVNULL)
        wait_until_answering(self.port)

    def nodes(self):
        return [("127.0.0.1", self.port)]

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Skein:
    """Nodes started by scripts/cluster in a directory of their own. With three, `nodes()` names
    the followers first: sequences go through them."""

    def __init__(self, count, *directives, parent=None):
        self.count, self.base = count, free_base_port(count)
        self.dir = tempfile.mkdtemp(prefix="skein-nodes-", dir=parent)
        self.directives = directives
        self.cluster("start", *directives)

    def cluster(self, verb, *rest):
        script = os.path.join(ROOT, "scripts", "cluster")
        command = [script, verb, "--nodes", str(self.count), "--base-port", str(self.base), "--dir", self.dir, *rest]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise SystemExit("differential: %s\n%s" % (" ".join(command), done.stdout))

    def nodes(self):
        addresses = [("127.0.0.1", self.base + i) for i in range(self.count)]
        leading = [address for address in addresses if role(address) == "master"]
        return [address for address in addresses if address not in leading] + leading

    def revive(self):
        """After a crash: what crashed it may be in the log, so the logs go too."""
        self.cluster("wipe")
        self.cluster("start", *self.directives)

    def pids(self):
        pids = []
        for node in range(1, self.count + 1):
            with open(os.path.join(self.dir, "node%d.pid" % node)) as file:
                pids.append(int(file.read()))
        return pids

    def stop(self):
        self.cluster("stop")
        shutil.rmtree(self.dir, ignore_errors=True)


def role(address):
    connection = Connection(*address)
    text = connection.call([b"INFO", b"replication"])
    connection.close()
    return "master" if b"role:master" in text else "slave"


def wait_until_answering(port, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = Connection("127.0.0.1", port)
            connection.call([b"PING"])
            connection.close()
            return
        except (OSError, ConnectionLost):
            if time.monotonic() > deadline:
                raise SystemExit("differential: nothing answers on port %d" % port)
            time.sleep(0.05)
