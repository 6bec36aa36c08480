#!/usr/bin/env python3
"""Runs the system tests: every test_* function of every test_*.py here.

A test's name is the sentence it proves; it gets a World.  The last line is
"N passed, N failed, N skipped".
"""

import argparse
import importlib
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from cluster import Skip, World  # noqa: E402


def tests(only):
    here = os.path.dirname(os.path.abspath(__file__))
    for name in sorted(os.listdir(here)):
        if name.startswith("test_") and name.endswith(".py"):
            module = importlib.import_module(name[:-3])
            for sentence, function in list(vars(module).items()):
                if sentence.startswith("test_") and callable(function):
                    if not only or any(o in f"{name}:{sentence}"
                                       for o in only):
                        yield name[5:-3], sentence[5:], function


def run(world, subject, sentence, function):
    """Runs and tells of one test: "ok", "FAILED" or "skipped"."""
    start = time.monotonic()
    result, detail = "ok", ""
    try:
        try:
            function(world)
        finally:
            world.settle()
    except Skip as reason:
        result, detail = "skipped", str(reason)
    except Exception:
        result, detail = "FAILED", traceback.format_exc()
    print(f"{result:8}{time.monotonic() - start:6.1f} s  {subject}: "
          f"{sentence.replace('_', ' ')}", flush=True)
    if detail:
        print(detail, flush=True)
    return result


def run_all(binary, chosen, counts):
    """Those that failed."""
    world = World(binary)
    failed = []
    try:
        for test in chosen:
            result = run(world, *test)
            counts[result] += 1
            if result == "FAILED":
                failed.append(test)
    finally:
        world.close()
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--again", action="store_true",
                        help="what failed gets a second try, and is named")
    parser.add_argument("only", nargs="*")
    arguments = parser.parse_args()
    binary = os.path.abspath(arguments.binary)
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    failed = run_all(binary, tests(arguments.only), counts)
    if failed and arguments.again:
        counts["FAILED"] -= len(failed)
        still = run_all(binary, failed, counts)
        for test in failed:
            if test not in still:
                print("passed at the second try:", test[0], test[1])
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, "
          f"{counts['skipped']} skipped")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
