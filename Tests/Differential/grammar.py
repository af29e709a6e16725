"""The little language in which commands.py writes down how a command may look.

    SET <s> <val> (NX|XX|GET|KEEPTTL|EX <sec>)*

Words stand for themselves, <name> draws a value (values.py), (a|b c|) chooses, and a group may be
followed by ? (maybe), * (0 to 3 times, drawn anew each time) or {n,m}. A leading number is the
weight of the line. Each line is compiled once into closures.
"""

import re

import values

TOKEN = re.compile(r"\(|\)[*?]?(?:\{\d+,\d+\})?|\||<[^>]+>(?:\{\d+,\d+\})?|[^\s()|<>]+")


class Form:
    """One way to write one command."""

    def __init__(self, line, family):
        tokens = TOKEN.findall(line)
        self.weight = int(tokens.pop(0)) if tokens[0].isdigit() else 2
        self.family = family
        self.name = tokens[0]
        self.text = line
        self.emit, rest = sequence(tokens, 0)
        assert rest == len(tokens), line

    def build(self, rng):
        out = []
        self.emit(rng, out)
        return out


def sequence(tokens, at):
    """Parses until `|`, `)` or the end; returns the emitter and where it stopped."""
    emitters = []
    while at < len(tokens) and tokens[at] != "|" and not tokens[at].startswith(")"):
        if tokens[at] == "(":
            emitter, at = group(tokens, at + 1)
        else:
            emitter, at = word(tokens[at]), at + 1
        emitters.append(emitter)
    if len(emitters) == 1:
        return emitters[0], at

    def emit(rng, out):
        for emitter in emitters:
            emitter(rng, out)

    return emit, at


def group(tokens, at):
    choices = []
    while True:
        emitter, at = sequence(tokens, at)
        choices.append(emitter)
        if tokens[at] != "|":
            break
        at += 1
    low, high = bounds(tokens[at][1:])

    def emit(rng, out):
        for _ in range(low if low == high else int(rng.random() * (high - low + 1)) + low):
            choices[int(rng.random() * len(choices))](rng, out)

    return emit, at + 1


def word(token):
    if not token.startswith("<"):
        literal = token.encode()
        return lambda rng, out: out.append(literal)
    name, _, suffix = token[1:].partition(">")
    draw = getattr(values, name)
    low, high = bounds(suffix)
    if name.startswith("many_"):  # draws a list of arguments
        return lambda rng, out: out.extend(draw(rng))
    if low == high == 1:
        return lambda rng, out: out.append(draw(rng))

    def emit(rng, out):
        for _ in range(int(rng.random() * (high - low + 1)) + low):
            out.append(draw(rng))

    return emit


def bounds(suffix):
    if suffix == "":
        return 1, 1
    if suffix == "?":
        return 0, 1
    if suffix == "*":
        return 0, 3
    low, high = suffix.strip("{}").split(",")
    return int(low), int(high)
