"""Prints a failing sequence as a script for sh and redis-cli."""

import os
import re
import tempfile

from steps import Plain

PLAIN_WORD = re.compile(rb"[A-Za-z0-9_.:*+\-\[\](){}]+\Z")
LINES_SHOWN, COLUMNS_SHOWN = 30, 200


def quote(argument):
    """One argument as redis-cli reads it."""
    return argument.decode() if PLAIN_WORD.match(argument) else '"%s"' % escape(argument)


def escape(data):
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else "\\x%02x" % byte for byte in data)


def show(reply):
    """A reply on one line, long ones cut."""
    if reply is None:
        return "(nothing)"
    if isinstance(reply, str):
        return reply
    if isinstance(reply, tuple):
        more = ", ... %d in all" % len(reply[1]) if len(reply[1]) > 30 else ""
        return "%s[%s%s]" % (reply[0], ", ".join(map(show, reply[1][:30])), more)
    return escape(reply) if len(reply) <= 200 else "%s... (%d bytes)" % (escape(reply[:200]), len(reply))


def script(failure, ports, resp):
    """The lines of a script that shows the difference. Each run of commands through one node is a
    redis-cli of its own; a session's state (SELECT, HELLO) does not carry over from one to the next."""
    lines, node = [], None

    def end():
        if node is not None:
            lines.extend(["EOF", ") | redis-cli -p %d%s" % (ports[node], " -3" if resp == 3 else "")])

    for step in failure.steps:
        if step.node != node:
            end()
            node = step.node
            lines.append("( cat <<'EOF'")
        for argv in [step.argv] if isinstance(step, Plain) else step.commands():
            if argv is None:
                lines += ["EOF", "sleep %g; cat <<'EOF'" % (step.waits / 1000)]
            else:
                lines.append(" ".join(map(quote, argv)))
    end()
    return lines


def render(failure, title, ports, resp):
    found, lines = failure.mismatch, script(failure, ports, resp)
    out = ["", "=== %s" % title, "    command: %s" % " ".join(map(quote, found.argv))[:COLUMNS_SHOWN],
           "    redis:   %s" % show(found.expected), "    skein:   %s" % show(found.got)]
    if found.why != "replies differ":
        out.append("    because: %s" % found.why)
    joined = [at + 1 for at, step in enumerate(failure.steps) if step.joined]
    if joined:
        out.append("    sent in one write with the step before it: steps %s" % " ".join(map(str, joined[-20:])))
    if len(lines) > LINES_SHOWN or any(len(line) > COLUMNS_SHOWN for line in lines):
        handle, path = tempfile.mkstemp(prefix="skein-differential-", suffix=".sh")
        with os.fdopen(handle, "w") as file:
            file.write("\n".join(lines) + "\n")
        out.append("    cut here; whole and ready to run: sh %s" % path)
        cut = max(0, len(lines) - LINES_SHOWN)
        lines = ["... %d lines ..." % cut] * (cut > 0) + lines[cut:]
    return "\n".join(out + ["    " + (line if len(line) <= COLUMNS_SHOWN else line[:COLUMNS_SHOWN] + "...")
                            for line in lines])
