"""Makes a failing sequence small: fewer steps, then simpler ones."""

import time

import resp
from steps import Plain


TIMEOUT = 2.0  # seconds for a reply meanwhile: a missing one is waited for again and again


def shrink(runner, failure, seconds):
    """The smallest sequence found in the time that fails with the same signature, or None when the
    failure does not come again."""
    usual, resp.reply_timeout = resp.reply_timeout, TIMEOUT
    try:
        return smallest(runner, failure, time.monotonic() + seconds)
    finally:
        resp.reply_timeout = usual


def smallest(runner, failure, deadline):
    signature = failure.mismatch.signature()

    def attempt(steps):
        again = runner.play(steps)
        return again if again is not None and again.mismatch.signature() == signature else None

    best = attempt(failure.steps) or attempt(failure.steps)
    if best is None:
        return None
    best = without_pipelining(attempt, best)
    best = fewer(attempt, best, deadline)
    best = simpler(attempt, best, deadline)
    return fewer(attempt, best, deadline)


def without_pipelining(attempt, best):
    """One command per write, all through the first node, if that fails too: easier to read."""
    plain = [Plain(step.argv, 0, False) if isinstance(step, Plain) else step for step in best.steps]
    nodes = [step.node for step in plain]
    for step in plain:
        step.node = 0
    again = attempt(plain)
    if again is None:
        for step, node in zip(plain, nodes):
            step.node = node
    return again or best


def fewer(attempt, best, deadline):
    """Leaves out ever smaller parts (ddmin)."""
    size = max(1, len(best.steps) // 2)
    while size >= 1:
        at, progress = 0, False
        while at < len(best.steps) - 1 and time.monotonic() < deadline:
            again = attempt(best.steps[:at] + best.steps[min(at + size, len(best.steps) - 1):])
            if again is not None:
                best, progress = again, True
            else:
                at += size
        if time.monotonic() >= deadline:
            return best
        if not (size == 1 and progress):
            size //= 2
    return best


def simpler(attempt, best, deadline):
    """Replaces steps by their smaller variants while the failure stays."""
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for at in range(len(best.steps)):
            if at >= len(best.steps):
                break
            for variant in best.steps[at].variants():
                if time.monotonic() >= deadline:
                    return best
                again = attempt(best.steps[:at] + [variant] + best.steps[at + 1:])
                if again is not None:
                    best, progress = again, True
                    break
    return best
