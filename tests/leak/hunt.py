#!/usr/bin/env python3
"""The leak hunt: random sessions, the same against PostgreSQL and through
pgweir with forty clients on five servers; every answer is compared.

    hunt.py --binary PGWEIR [--seed N] [--statements N] [--seconds N]
            [--cluster]

With --cluster pgweir is in front of a primary and two replicas.

The seed is printed and makes the same program again.  A difference is cut
down (shrink.py) and printed as a program, which --replay FILE plays; the exit
status is 1.  program.py makes the programs, player.py plays and compares.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "system"))
sys.dont_write_bytecode = True

from cluster import World  # noqa: E402
from player import Difference, Player  # noqa: E402
from program import Writer  # noqa: E402
from shrink import shrink  # noqa: E402
import ground  # noqa: E402


def options_of(dice, has_replicas):
    """pgweir's options, too, are the seed's."""
    found = {"default_pool_size": 5, "workers": dice.choice((1, 2, 2)),
             "max_prepared_statements": dice.choice((2, 10, 200)),
             "max_client_conn": 100,
             # Who waits for long is told so: that is the machine's speed,
             # and one who waits too long is found by the player.
             "query_wait_notify": 0}
    if has_replicas:
        found["read_your_writes"] = dice.choice(("session", "application"))
        found["split_transactions"] = dice.choice(("on", "off"))
    return found


def show_who(field, difference):
    """Of a server that was not there: who has them."""
    if difference.key == "stall" or "53300" in difference.key:
        print(field.who(), flush=True)


class Census:
    """Counts differences, shows the first of each, and lets go on."""

    def __init__(self, field, player, events):
        self.field, self.player = field, player
        self.events, self.found = events, {}

    def life(self, event):
        """What its client has said before, the last of it."""
        found = []
        for other in self.events:
            if event and other[1] == event[1]:
                found = [] if other[2][0][0] == "login" else found
                found.append(json.dumps(other))
        return "\n".join(found[:1] + found[1:][-15:])

    def __call__(self, difference):
        count = self.found.get(difference.key, 0)
        self.found[difference.key] = count + 1
        if count == 0:
            show_who(self.field, difference)
            print(f"({difference.key}) at {difference.event}, statement "
                  f"{self.player.statements}:\n{difference}\n"
                  f"{self.life(difference.event)}\n", flush=True)


def hunt(field, seed, statements, seconds, goes_on):
    """(events, options, difference or None, how many were played)"""
    dice = random.Random(seed)
    options = options_of(dice, isinstance(field.world, ground.Hosts))
    # Where somebody has asked for what he drew, who inserts keeps his server
    # for a moment: such programs are slow.
    writers = [Writer(c, random.Random(f"{seed}-{c}"), seed % 10 == 0)
               for c in range(ground.CLIENTS)]
    player = field.begin(options)
    events, number, told = [], 0, 0
    if goes_on:
        player.on_difference = Census(field, player, events)
    end = time.monotonic() + seconds
    try:
        while player.statements < statements and time.monotonic() < end:
            number += 1
            size = min(dice.choice((1, 2, 3, 5, 8, 15)), len(writers))
            wanted = []
            for writer in dice.sample(writers, size):
                client = writer.client
                if client not in player.sides:
                    writer.is_in = False
                    ops = writer.next("I", False)
                else:
                    ops = writer.next(player.status(client),
                                      client in player.tied)
                wanted.append([number, client, ops])
            events += wanted
            player.play_round(wanted)
            if player.statements >= told + 10000:
                told = player.statements
                print(f"{told} statements", flush=True)
    except Difference as difference:
        show_who(field, difference)
        return events, options, difference, player.statements
    finally:
        player.close()
    if goes_on and player.on_difference.found:
        print(player.on_difference.found)
    return events, options, None, player.statements


def show(events, options):
    lines = [json.dumps({"options": options})]
    lines += [json.dumps(event) for event in events]
    return "\n".join(lines)


def show_end(events, options):
    """A long program is of use only in a file."""
    if len(events) <= 40:
        return show(events, options)
    return "...\n" + show(events[-8:], options)


def replay(field, name):
    with open(name) as f:
        first, *rest = [json.loads(line) for line in f if line.strip()]
    difference = field.play(rest, first["options"])
    print(difference if difference else "no difference")
    return 1 if difference else 0


def report(field, found, arguments):
    events, options, difference, _ = found
    print(f"a difference ({difference.key}) at {difference.event}:\n"
          f"{difference}", flush=True)
    if arguments.shrink_seconds > 0:
        events, options, difference = shrink(
            field, events, options, difference, arguments.shrink_seconds)
        print(f"\ncut down to {len(events)} events:\n"
              f"{show_end(events, options)}\n{difference}")
    if arguments.save:
        with open(arguments.save, "w") as f:
            f.write(show(events, options) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--statements", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--all", action="store_true",
                        help="go on behind a difference, without its client")
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--shrink-seconds", type=float, default=60)
    parser.add_argument("--replay", help="a file with a program")
    parser.add_argument("--save", help="where to write what was cut down")
    arguments = parser.parse_args()
    world = World(os.path.abspath(arguments.binary))
    with contextlib.ExitStack() as stack:
        stack.callback(world.close)
        if arguments.cluster:
            world = stack.enter_context(ground.Hosts(world))
        field = ground.Ground(world)
        if arguments.replay:
            return replay(field, arguments.replay)
        print(f"seed {arguments.seed}", flush=True)
        start = time.monotonic()
        found = hunt(field, arguments.seed, arguments.statements,
                     arguments.seconds, arguments.all)
        print(f"{found[3]} statements in {time.monotonic() - start:.0f} s",
              flush=True)
        if found[2] is None:
            print("no difference")
            return 0
        report(field, found, arguments)
        return 1


if __name__ == "__main__":
    sys.exit(main())
