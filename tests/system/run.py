#!/usr/bin/env python3
"""Runs the system tests: every test_* function of every test_*.py here.

A test's name is the sentence it proves; it gets a World.  Those marked slow
run with --slow, and then they alone.  Several processes take the tests in
turn, each with a World of its own.  A test that does not come to an end has
failed.  The last line is "N passed, N failed, N skipped".
"""

import argparse
import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from cluster import Skip, World  # noqa: E402

TEST_SECONDS = 900


def tests(only, slow):
    here = os.path.dirname(os.path.abspath(__file__))
    for name in sorted(os.listdir(here)):
        if name.startswith("test_") and name.endswith(".py"):
            module = importlib.import_module(name[:-3])
            for sentence, function in list(vars(module).items()):
                if sentence.startswith("test_") and callable(
                        function) and getattr(function, "slow",
                                              False) == slow:
                    if not only or any(o in f"{name}:{sentence}"
                                       for o in only):
                        yield name[5:-3], sentence[5:], function


def on_alarm(*_):
    raise TimeoutError(f"not ended after {TEST_SECONDS} s")


def on_end(*_):
    sys.exit("ended")


def run(world, subject, sentence, function):
    """Runs and tells of one test: "ok", "FAILED" or "skipped"."""
    start = time.monotonic()
    result, detail = "ok", ""
    try:
        signal.alarm(TEST_SECONDS)
        try:
            function(world)
        finally:
            signal.alarm(0)
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


def serve(binary, chosen, parent):
    """A process with a World of its own: is told numbers of tests, tells
    their results."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, on_end)
    signal.signal(signal.SIGALRM, on_alarm)
    world = World(binary)
    try:
        while (number := parent.recv()) is not None:
            parent.send((number, run(world, *chosen[number])))
    finally:
        world.close()


def start(binary, chosen):
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve,
                                      args=(binary, chosen, theirs))
    process.start()
    theirs.close()
    return mine, process


def run_all(binary, chosen, jobs):
    """The result of each test, in their order."""
    processes = dict(start(binary, chosen)
                     for _ in range(min(jobs, len(chosen))))
    try:
        return share_out(processes, len(chosen))
    except BaseException:
        for process in processes.values():
            process.terminate()
        raise
    finally:
        for process in processes.values():
            process.join()


def share_out(processes, count):
    """Each process gets a test when it has ended one."""
    results = ["FAILED"] * count
    numbers = iter(range(count))
    for pipe in processes:
        pipe.send(next(numbers))
    busy = set(processes)
    while busy:
        for pipe in multiprocessing.connection.wait(busy):
            try:
                number, results[number] = pipe.recv()
            except EOFError:
                print("a process that runs tests has died")
                busy.remove(pipe)
                continue
            number = next(numbers, None)
            pipe.send(number)
            if number is None:
                busy.remove(pipe)
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--again", action="store_true",
                        help="what failed gets a second try, and is named")
    parser.add_argument("--jobs", type=int, help="how many at the same time",
                        default=min(4, os.cpu_count() or 1))
    parser.add_argument("--slow", action="store_true",
                        help="the slow ones, and they alone")
    parser.add_argument("only", nargs="*")
    arguments = parser.parse_args()
    binary = os.path.abspath(arguments.binary)
    chosen = list(tests(arguments.only, arguments.slow))
    signal.signal(signal.SIGTERM, on_end)
    results = run_all(binary, chosen, arguments.jobs)
    failed = [n for n, result in enumerate(results) if result == "FAILED"]
    if failed and arguments.again:
        again = run_all(binary, [chosen[n] for n in failed], 1)
        for number, result in zip(failed, again):
            results[number] = result
            if result == "ok":
                print("passed at the second try:", *chosen[number][:2])
    for (subject, sentence, _), result in zip(chosen, results):
        if result == "FAILED":
            print(f"failed: {subject}: {sentence.replace('_', ' ')}")
    print(f"{results.count('ok')} passed, {results.count('FAILED')} failed, "
          f"{results.count('skipped')} skipped")
    return 1 if "FAILED" in results else 0


if __name__ == "__main__":
    sys.exit(main())
