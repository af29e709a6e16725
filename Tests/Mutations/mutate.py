"""Puts deliberate bugs into a copy of the tree, one at a time, and demands that the simulator finds each.

A mutation is a patch in this folder. The lines above its first `---` say what it is:

    What: one sentence, in words of the rule that it breaks
    Covers: S4c S9 effect:io ...   (scenarios of the list in docs/testing.md, fields of RaftEffects)
    Try: 1 --scenario NAME ...     (not always: arguments of the simulator that are played before all else)

The copy lies in .build/mutations and keeps its release build, so that a mutation costs one module and a link.
"""

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
COPY = os.path.join(ROOT, ".build", "mutations")
SIMULATOR = os.path.join(COPY, ".build", "release", "skein-sim")
CONTROL = "none"

# Without optimisation across modules a module's interface says nothing about its bodies: what imports a
# mutated module need not be built again.
BUILD = ["swift", "build", "-c", "release", "--product", "skein-sim", "--jobs", "1",
         "-Xswiftc", "-disable-cmo"]

# What is played, in turn, with the share of the time that it may take at most. Cheap ones first: a short
# exploration and all scenarios cost ten seconds together.
STEPS = [
    ("exploration", ["--explore", "all", "--states", "3000"], 0.2),
    ("scenarios", ["1", "--scenario", "all", "--once"], 0.3),
    ("seeds", ["1", "--seeds", "1000000", "--once"], 0.05),
    ("damage", ["1", "--damage", "all", "--seeds", "2"], 0.1),
    ("crashes", ["1", "--crashes", "40"], 0.1),
    ("exploration", ["--explore", "all", "--states", "20000"], 0.4),
    ("seeds", ["1001", "--seeds", "1000000", "--once"], 1.0),
]


class Mutation:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding="utf-8") as file:
            text = file.read()
        head = text.split("\n--- ", 1)[0]
        self.what = self.field(head, "What")
        self.covers = self.field(head, "Covers").split()
        self.first = re.findall(r"^Try: (.+)$", head, re.M)
        self.files = re.findall(r"^\+\+\+ b/(\S+)", text, re.M)

    def field(self, head, name):
        found = re.search(r"^%s: (.+)$" % name, head, re.M)
        if not found:
            sys.exit("mutate: %s has no line '%s: ...'" % (self.path, name))
        return found.group(1).strip()


def mutations():
    names = sorted(each for each in os.listdir(HERE) if each.endswith(".patch"))
    found = [Mutation(os.path.join(HERE, each)) for each in names]
    # Neighbours share a module, which is then built twice at most.
    return sorted(found, key=lambda each: (each.files[0].split("/")[1], each.files[0], each.name))


def wanted_content(source):
    """What the copy of a file holds. The largest module is built file by file there: 3 s for a mutation of it
    instead of 85 s, for a simulator that takes 1.4 times as long."""
    with open(source, "rb") as file:
        content = file.read()
    if os.path.basename(source) == "Package.swift":
        content, count = re.subn(
            rb'(name: "Engine",.*?swiftSettings: )pure\b',
            rb'\1pure + [.unsafeFlags(["-no-whole-module-optimization", "-incremental"])]',
            content, count=1, flags=re.S)
        if count != 1:
            sys.exit("mutate: Package.swift has no target Engine with settings that are known")
    return content


def write_if_other(source, target):
    """Files that are the same keep their times, or everything would be built anew."""
    wanted = wanted_content(source)
    if os.path.exists(target):
        with open(target, "rb") as file:
            if file.read() == wanted:
                return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(wanted)
    shutil.copymode(source, target)


def tracked():
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True, check=True).stdout.splitlines()
    kept = [each for each in listing if each.split("/")[0] in ("Package.swift", "Sources", "Tests")]
    return [each for each in kept if os.path.exists(os.path.join(ROOT, each))] + ["Package.resolved"]


def synchronise():
    """Makes the copy equal to the tree as it is now; what is changed in the tree later is not seen."""
    wanted = set()
    for path in tracked():
        wanted.add(os.path.join(COPY, path))
        if os.path.exists(os.path.join(ROOT, path)):
            write_if_other(os.path.join(ROOT, path), os.path.join(COPY, path))
    for folder, _, files in os.walk(os.path.join(COPY, "Sources")):
        for file in files:
            if os.path.join(folder, file) not in wanted:
                os.remove(os.path.join(folder, file))
    # What the dependencies are is known already; nothing is fetched.
    for name in ("checkouts", "repositories", "artifacts", "workspace-state.json"):
        source, target = os.path.join(ROOT, ".build", name), os.path.join(COPY, ".build", name)
        if os.path.exists(source) and not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.isdir(source):
                shutil.copytree(source, target, symlinks=True)
            else:
                shutil.copy2(source, target)


def apply(mutation):
    """Puts the bug into the copy. False when the patch does not fit the tree as it is, to the letter."""
    # The copy lies within another repository; git must not look at that.
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=os.path.dirname(COPY))
    done = subprocess.run(["git", "apply", "--whitespace=nowarn", mutation.path], cwd=COPY, env=environment,
                          capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr.strip())
    return done.returncode == 0


class Originals:
    """The files that a mutation changes, to be put back."""

    def __init__(self, mutation):
        self.contents = {}
        for path in mutation.files:
            with open(os.path.join(COPY, path), "rb") as file:
                self.contents[path] = file.read()

    def put_back(self):
        for path, content in self.contents.items():
            with open(os.path.join(COPY, path), "rb") as file:
                if file.read() == content:
                    continue
            with open(os.path.join(COPY, path), "wb") as file:
                file.write(content)


def build():
    done = subprocess.run(BUILD, cwd=COPY, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [each for each in (done.stdout + done.stderr).splitlines() if "error" in each]
        print("\n".join(lines[:10]))
    return done.returncode == 0


class Run:
    """One call of the simulator: whether it found something, how, and what it cost."""

    def __init__(self, arguments, seconds):
        self.seeds = 0
        self.found = None
        self.onlyMissing = False
        limit = max(1, int(seconds))

        def bound():
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))

        environment = dict(os.environ, SWIFT_BACKTRACE="enable=no", SKEIN_COMMIT="mutated")
        process = subprocess.Popen([SIMULATOR] + arguments + ["--until-failure"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                   env=environment, preexec_fn=bound, cwd=COPY)
        tail = []
        for line in process.stdout:
            if line.startswith("seed="):
                self.seeds += 1
            tail.append(line.rstrip("\n"))
            if len(tail) > 200:
                del tail[:100]
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds = usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        self.isOver = code == -signal.SIGXCPU or code == -signal.SIGKILL
        if code != 0 and not self.isOver:
            self.found = self.describe(tail, code)

    def describe(self, tail, code):
        """How to play it again, and what was wrong: of the last run that failed, with all before it left out."""
        text = "\n".join(tail)
        replay = re.search(r"replay with: (?:skein-sim )?(.*?)(?:\s+\(every|$)", text, re.M)
        broken = re.search(r"(?:invariant broken|Fatal error): (.*)", text)
        missing = re.search(r"^FAILED: (.*)", text, re.M)
        failed = text[max(text.rfind(" FAILED "), 0):]
        told = [each for each in re.findall(r"^  ([a-z][a-z ]*): (.*)", failed, re.M)
                if each[0] not in ("options", "took place", "replay with")]
        why = "exit %d" % code
        if broken:
            why = "invariant: " + broken.group(1)
        elif told:
            why = "%s: %s" % told[0]
        elif missing:
            why = missing.group(1)
            self.onlyMissing = True
        return (replay.group(1) if replay else "", why[:90])


def play(seconds, first=()):
    """Plays the steps, `first` before all others, until one finds something: (step, replay, why, seeds, seconds)."""
    spent, seeds = 0.0, 0
    aimed = [(each, each.split(), 0.3) for each in first]
    for name, arguments, share in aimed + STEPS:
        left = seconds - spent
        if left < 1:
            break
        run = Run(arguments, min(left, share * seconds))
        spent += run.seconds
        if name == "seeds":
            seeds += run.seeds
        # A bounded exploration does not come by everything.
        if run.onlyMissing and "--explore" in arguments:
            continue
        if run.found:
            aim = re.search(r"--(scenario|explore|damage) (\S+)", run.found[0])
            step = "%s %s" % aim.groups() if aim else name
            return step, run.found[0], run.found[1], seeds, spent
    return None, "", "", seeds, spent


def tell(line, into):
    """Prints a line of the table, and keeps it at once."""
    print(line, flush=True)
    if into:
        with open(into, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def judged(into):
    """What the table of an earlier run says of mutations that were caught."""
    if not into or not os.path.exists(into):
        return []
    with open(into, encoding="utf-8") as file:
        lines = [line.split(" | ") for line in file if line.startswith("| ")]
    return [cells[0][2:] for cells in lines if len(cells) > 3 and not cells[2].isupper()]


def judge(mutation, seconds, into):
    """Puts one bug in, looks for it, and tells: whether it was caught."""
    begun = time.time()
    # As the patch is now: it may have been changed since this run began.
    mutation = Mutation(mutation.path)
    originals = Originals(mutation)
    step, replay, why, seeds, spent = None, "", "", 0, 0.0
    if not apply(mutation):
        outcome = "DOES NOT APPLY"
    elif not build():
        outcome = "DOES NOT BUILD"
    else:
        built = time.time() - begun
        step, replay, why, seeds, spent = play(seconds, mutation.first)
        outcome = step or "NOT CAUGHT"
        print("mutate: %s: built in %.0f s; replay: %s" % (mutation.name, built, replay), file=sys.stderr, flush=True)
    originals.put_back()
    tell("| %s | %s | %s | %d | %.0f | %s |" % (mutation.name, " ".join(mutation.covers), outcome, seeds, spent,
                                           why.replace("|", "/")), into)
    return step is not None


def main():
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="mutations; all when none is named. '%s' is the tree as it is" % CONTROL)
    parser.add_argument("--minutes", type=float, default=5, help="of one core, for each mutation (5)")
    parser.add_argument("--into", metavar="FILE", help="append the table to it; what it says was caught is not played again")
    parser.add_argument("--list", action="store_true", help="say what the mutations are, and end")
    parser.add_argument("--check", action="store_true", help="only see whether the patches apply")
    options = parser.parse_args()
    chosen = mutations()
    known = [each.name for each in chosen]
    for name in options.names:
        if name not in known + [CONTROL]:
            sys.exit("mutate: no mutation is called %s; --list shows them" % name)
    if options.names:
        chosen = [each for each in chosen if each.name in options.names]
    if options.list:
        for each in chosen:
            print("%-32s %s  [%s]" % (each.name, each.what, " ".join(each.covers)))
        return
    # At low priority, but once: whoever called may have thought of it.
    os.nice(max(0, 10 - os.nice(0)))
    synchronise()
    failures = []
    if options.check:
        for each in chosen:
            originals = Originals(each)
            if not apply(each):
                failures.append(each.name)
            originals.put_back()
        sys.exit("do not apply: %s" % " ".join(failures) if failures else 0)

    before = judged(options.into)
    chosen = [each for each in chosen if each.name not in before]
    print("| mutation | covers | caught by | seeds | s | how |")
    print("|---|---|---|---|---|---|", flush=True)
    if not options.names or CONTROL in options.names:
        # The tree as it is must pass what every mutation must fail.
        if not build():
            sys.exit("mutate: the tree does not build")
        step, replay, why, seeds, spent = play(options.minutes * 60)
        if step:
            print("mutate: %s; replay: %s" % (CONTROL, replay), file=sys.stderr, flush=True)
        tell("| %s | | %s | %d | %.0f | %s |" % (CONTROL, step or "nothing, as it should be", seeds, spent, why),
             options.into)
        if step:
            failures.append(CONTROL)
    for each in chosen:
        if not judge(each, options.minutes * 60, options.into):
            failures.append(each.name)
    print("%d mutations, %d not as they should be%s" %
          (len(chosen), len(failures), ": " + " ".join(failures) if failures else ""))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
