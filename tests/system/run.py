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


def run(world, function):
    try:
        function(world)
    finally:
        world.settle()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("only", nargs="*")
    arguments = parser.parse_args()
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    world = World(os.path.abspath(arguments.binary))
    try:
        for subject, sentence, function in tests(arguments.only):
            start = time.monotonic()
            result, detail = "ok", ""
            try:
                run(world, function)
            except Skip as reason:
                result, detail = "skipped", str(reason)
            except Exception:
                result, detail = "FAILED", traceback.format_exc()
            counts[result] += 1
            print(f"{result:8}{time.monotonic() - start:6.1f} s  {subject}: "
                  f"{sentence.replace('_', ' ')}", flush=True)
            if detail:
                print(detail, flush=True)
    finally:
        world.close()
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, "
          f"{counts['skipped']} skipped")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
