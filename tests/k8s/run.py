#!/usr/bin/env python3
"""Checks of everything under k8s/, without a cluster.

	run.py --binary PGWEIR [--slow] [part ...]

Every test_* function of every test_*.py here; its name is the sentence it
proves.  Those marked slow (the image, the rarer ways of a failover) run with
--slow, and then they alone.
What cannot run on this machine is said to be skipped, with the reason.  The
last line is "N passed, N failed, N skipped".
"""

import argparse
import importlib
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]
sys.dont_write_bytecode = True

from cluster import Skip  # noqa: E402
from tools import Tools  # noqa: E402


def tests(only, slow):
    for name in sorted(os.listdir(HERE)):
        if name.startswith("test_") and name.endswith(".py"):
            module = importlib.import_module(name[:-3])
            for sentence, function in list(vars(module).items()):
                if not sentence.startswith("test_"):
                    continue
                if getattr(function, "slow", False) != slow:
                    continue
                if not only or any(o in f"{name}:{sentence}" for o in only):
                    yield name[5:-3], sentence[5:], function


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("only", nargs="*")
    arguments = parser.parse_args()
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    failed = []
    tools = Tools(os.path.abspath(arguments.binary))
    try:
        for subject, sentence, function in tests(arguments.only,
                                                 arguments.slow):
            start = time.monotonic()
            result, detail = "ok", ""
            try:
                function(tools)
            except Skip as reason:
                result, detail = "skipped", str(reason)
            except Exception:
                result, detail = "FAILED", traceback.format_exc()
            counts[result] += 1
            print(f"{result:8}{time.monotonic() - start:6.1f} s  {subject}: "
                  f"{sentence.replace('_', ' ')}", flush=True)
            if detail:
                print(detail, flush=True)
            if result == "FAILED":
                failed.append(f"{subject}: {sentence.replace('_', ' ')}")
    finally:
        tools.close()
    for name in failed:
        print(f"failed: {name}")
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, "
          f"{counts['skipped']} skipped")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
