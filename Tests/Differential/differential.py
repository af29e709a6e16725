"""Compares Skein with redis-server over random command sequences; scripts/differential starts it."""

import argparse
import random
import sys
import time

import commands
import servers
import values
from generator import EdgeCommands, Generator
from report import render
from resp import Connection, ConnectionLost, NULL, NULL_ARRAY, NULL_BULK
from runner import Runner
from shrink import shrink

EPISODE = 400  # commands from an empty server; a failure lies within one


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/differential", description=__doc__)
    parser.add_argument("--commands", type=int, default=50000, metavar="N", help="commands per mode (50000)")
    parser.add_argument("--seed", type=int, help="the sequence to play; a random one without it")
    parser.add_argument("--mode", choices=("single", "follower", "all"), default="all",
                        help="one node, three nodes through a follower, or both (default)")
    parser.add_argument("--resp", type=int, choices=(2, 3), help="only this protocol; default both")
    parser.add_argument("--skein", metavar="PORT", help="a running server instead of starting one; "
                        "several ports with commas: the first gets most of the commands. It is emptied!")
    parser.add_argument("--groups", type=int, default=1, metavar="G", help="initial-groups; keys share a hash tag")
    parser.add_argument("--failures", type=int, default=5, metavar="N", help="stop after N different ones (5)")
    parser.add_argument("--shrink-seconds", type=float, default=20, metavar="S", help="for each failure (20)")
    parser.add_argument("--families", metavar="A,B", help="only commands of these families (see commands.py)")
    parser.add_argument("--edges", action="store_true",
                        help="the worst numbers at every position of every command, instead of chance")
    parser.add_argument("--self-test", action="store_true",
                        help="redis-server against itself (must agree) and against an odd one (must not)")
    return parser.parse_args()


def known_commands(address):
    """The names of commands.ALL_NAMES that a server has, by its own COMMAND INFO."""
    connection = Connection(*address)
    reply = connection.call([b"COMMAND", b"INFO"] + [name.encode() for name in commands.ALL_NAMES])
    connection.close()
    if not isinstance(reply, tuple):
        print("COMMAND INFO is not answered with an array: %r" % (reply,))
        return set(commands.ALL_NAMES)
    return {name for name, entry in zip(commands.ALL_NAMES, reply[1])
            if entry not in (NULL, NULL_BULK, NULL_ARRAY)}


def episodes(generator, nodes, options):
    """The sequences of one run, each from empty servers."""
    if options.edges:
        yield from EdgeCommands(generator).episodes(EPISODE, nodes, generator.rng)
        return
    for played in range(0, options.commands, EPISODE):
        yield generator.episode(min(EPISODE, options.commands - played))


def run_mode(title, reference, nodes, resp, options, revive):
    """Plays options.commands commands; the failures, at most one per signature. `revive`: see Runner."""
    started, played, failures = time.monotonic(), 0, {}
    try:
        known = known_commands(nodes[0])
    except (OSError, ConnectionLost):  # it died in the run before
        revive()
        known = known_commands(nodes[0])
    missing = [name for name in commands.names(commands.REQUIRED_FORMS) + commands.SPECIAL if name not in known]
    if missing:
        print("%s: the server does not know: %s" % (title, " ".join(missing)))
    rng = random.Random("%d %s %d" % (options.seed, "single" if len(nodes) == 1 else "follower", resp))
    families = options.families.split(",") if options.families else None
    generator = Generator(rng, known, len(nodes), families)
    runner = Runner(reference, nodes, resp, revive)
    for episode in episodes(generator, len(nodes), options):
        if len(failures) >= options.failures:
            break
        failure = runner.play(episode)
        played += len(episode)
        if failure is None or failure.mismatch.signature() in failures:
            continue
        small = shrink(runner, failure, options.shrink_seconds)
        failures[failure.mismatch.signature()] = small or failure
        note = "" if small else " (did not come again; the whole sequence follows)"
        print(render(small or failure, title + note, [port for _, port in nodes], resp), flush=True)
    runner.close()
    seconds = time.monotonic() - started
    print("%s: %d commands, %d differences, %.1f s" % (title, played, len(failures), seconds), flush=True)
    return failures


def modes(options):
    """(title, how to start it, protocol) of each run."""
    for resp in (options.resp,) if options.resp else (2, 3):
        if options.mode in ("single", "all"):
            yield "one node, RESP%d" % resp, 1, resp
        if options.mode in ("follower", "all"):
            yield "three nodes through a follower, RESP%d" % resp, 3, resp


def compare_with_skein(options):
    found, started = 0, {}
    reference = servers.Redis()
    try:
        if options.skein:
            nodes = [("127.0.0.1", int(port)) for port in options.skein.split(",")]
            for resp in (options.resp,) if options.resp else (2, 3):
                title = "port %s, RESP%d" % (options.skein, resp)
                found += len(run_mode(title, reference.nodes()[0], nodes, resp, options,
                                      lambda: servers.wait_until_answering(nodes[0][1])))
            return found
        for title, count, resp in modes(options):
            if count not in started:
                started[count] = servers.Skein(count, "--initial-groups", str(options.groups)) \
                    if options.groups > 1 else servers.Skein(count)
            nodes = started[count].nodes()
            found += len(run_mode(title, reference.nodes()[0], nodes, resp, options, started[count].revive))
        return found
    finally:
        for server in [reference, *started.values()]:
            server.stop()


def self_test(options):
    """The tester itself: no difference where there is none, and a small one where there is one."""
    wrong = 0
    for title, odd, expected in (("redis against redis", (), False),
                                 ("against other encodings", ("--hash-max-listpack-entries", "40"), True),
                                 ("against shorter elements", ("--zset-max-listpack-value", "20"), True)):
        reference, other = servers.Redis(), servers.Redis(*odd)
        try:
            for resp in (2, 3):
                nodes = other.nodes() * (2 if resp == 3 else 1)
                failures = run_mode(title, reference.nodes()[0], nodes, resp, options, None)
                small = all(len(failure.steps) <= 4 for failure in failures.values())
                if bool(failures) != expected or not small:
                    print("self test failed: %s" % title)
                    wrong += 1
        finally:
            reference.stop()
            other.stop()
    return wrong


def main():
    options = arguments()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    if options.groups > 1:
        values.tag = b"{g}"
    print("differential: seed %d" % options.seed, flush=True)
    found = self_test(options) if options.self_test else compare_with_skein(options)
    print("differential: %s (seed %d)" % ("passed" if found == 0 else "FAILED, %d differences" % found, options.seed))
    sys.exit(0 if found == 0 else 1)


if __name__ == "__main__":
    main()
