"""The part of scripts/check that reads sources: imports, arrows, words, places. Standard input is
`swift package dump-package`."""

import ast
import json
import re
import subprocess
import sys

IMPORT = re.compile(r"^\s*(?:@\w+(?:\(\w+\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+"
                    r"(?:(?:struct|class|enum|protocol|typealias|func|var|let|actor)\s+)?(\w+)", re.M)

# In pure targets: sources of time and chance, and hashes that differ from process to process.
IMPURE = re.compile(r"SystemRandomNumberGenerator|ContinuousClock|SuspendingClock|\.randomElement\(\)|\.shuffled\(\)"
                    r"|\.random\(in: [^,()]*\)|\bHasher\(\)|\.hashValue\b|Task\.sleep|Thread\b\.")

# Anywhere: unfinished work, and paths that exist on one machine only. (Split, so that this file passes.)
FORBIDDEN = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|HA" r"CK|XX" r"X)\b|/wo" r"rk/|/ro" r"ot/|/ho" r"me/")

TOP_LEVEL = {"Package.swift", "Sources", "Tests", "conf", "scripts", "docs", "README.md", "LICENSE"}
SWIFT_LINES_MAX = 800  # a file holds one idea; most need 250 lines

problems = []


def problem(text):
    problems.append(text)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def arrows():
    """(target -> allowed modules, pure targets, file -> further modules, system modules)"""
    allowed, pure, exceptions, system = {}, set(), {}, set()
    for line in read("scripts/targets.txt").splitlines():
        if not line or line.startswith("#"):
            continue
        left, right = line.split(":")
        modules = set(right.split("(")[0].split())
        name, *words = left.split()
        if name == "system":
            system = modules
        elif "/" in name:
            exceptions[name] = modules
        else:
            allowed[name] = modules
            if words == ["pure"]:
                pure.add(name)
    return allowed, pure, exceptions, system


def check_package(allowed, pure):
    for target in json.load(sys.stdin)["targets"]:
        name = target["name"]
        if target["type"] == "test" or name not in allowed:
            if target["type"] in ("regular", "executable") and target["dependencies"]:
                problem("Package.swift: target %s is not in scripts/targets.txt" % name)
            continue
        declared = {next(iter(each.values()))[0] for each in target["dependencies"]}
        if declared != allowed[name]:
            problem("Package.swift: %s depends on %s; scripts/targets.txt says %s" %
                    (name, " ".join(sorted(declared)), " ".join(sorted(allowed[name]))))
        if ("strictMemorySafety" in json.dumps(target["settings"])) != (name in pure):
            problem("Package.swift: %s: pure targets, and only they, are built with strict memory safety" % name)
        if "unsafeFlags" in json.dumps(target["settings"]):
            problem("Package.swift: %s has unsafe flags" % name)


def check_source(path, text, allowed, pure, exceptions, system):
    target, _, rest = path[len("Sources/"):].partition("/")
    if target not in allowed:
        return
    permitted = allowed[target] | exceptions.get("%s/%s" % (target, rest), set())
    if target not in pure:
        permitted = permitted | system
    for module in IMPORT.findall(text):
        if module not in permitted:
            problem("%s: may not import %s" % (path, module))
    if target in pure:
        for number, line in enumerate(text.splitlines(), 1):
            if IMPURE.search(line.split("//")[0]):
                problem("%s:%d: not deterministic: %s" % (path, number, line.strip()))
    if target != "skein" and not target.startswith("skein-"):
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(r"\s*(?:debugP|p)rint\(", line):
                problem("%s:%d: libraries do not print" % (path, number))


def main():
    allowed, pure, exceptions, system = arrows()
    check_package(allowed, pure)
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
    for path in listing.stdout.splitlines():
        top = path.split("/")[0]
        if top not in TOP_LEVEL and not top.startswith("."):
            problem("%s: does not belong at the top level" % path)
        try:
            text = read(path)
        except (FileNotFoundError, IsADirectoryError):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if FORBIDDEN.search(line):
                problem("%s:%d: %s" % (path, number, FORBIDDEN.search(line).group()))
            if line != line.rstrip() and path.endswith((".swift", ".sh", ".py", ".conf", ".c", ".h")):
                problem("%s:%d: blanks at the end of the line" % (path, number))
        if path.endswith(".swift") and text.count("\n") > SWIFT_LINES_MAX:
            problem("%s: %d lines; split it" % (path, text.count("\n")))
        if path.endswith("/Placeholder.swift"):
            problem("%s: an empty target" % path)
        if path.startswith("Sources/") and path.endswith(".swift"):
            check_source(path, text, allowed, pure, exceptions, system)
        if path.endswith(".py"):
            try:
                ast.parse(text)
            except SyntaxError as error:
                problem("%s: %s" % (path, error))
    for text in problems:
        print("check: " + text)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
