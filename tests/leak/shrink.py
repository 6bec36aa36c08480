"""Cuts a program that shows a difference down to one that still shows it.

First to the lives of clients near its end, then to fewer clients, then to
fewer events, then to fewer ops in an event.  A shorter program counts if its
difference has the same key (player.key_of).  Played one event at a time if
that shows the difference, too, since then it is certain.
"""

import time

import player


class Shrinker:
    def __init__(self, ground, options, key, seconds):
        self.ground, self.options, self.key = ground, options, key
        self.end = time.monotonic() + seconds
        self.tries = 1
        self.best = None

    def shows(self, events, options=None):
        """Whether these show the difference; keeps them if so."""
        for _ in range(self.tries):
            if time.monotonic() > self.end:
                return False
            found = self.ground.play(events, options or self.options)
            if found is not None and found.key == self.key:
                self.best = (events, found)
                return True
        return False

    def cut(self, items, build):
        """Leaves out ever smaller pieces of items; build makes events."""
        size = max(1, len(items) // 2)
        while items and time.monotonic() < self.end:
            at = 0
            while at < len(items) and time.monotonic() < self.end:
                fewer = items[:at] + items[at + size:]
                if self.shows(build(fewer)):
                    items = fewer
                else:
                    at += size
            if size == 1:
                break
            size //= 2
        return items


def lives(events):
    """Every event's life: the number of its login."""
    current, found = {}, []
    for at, (_, client, ops) in enumerate(events):
        if ops[0][0] == "login":
            current[client] = at
        found.append(current.get(client, -1))
    return found


def near_the_end(events, count):
    numbers = lives(events)
    near = set(numbers[-count:])
    return [event for event, life in zip(events, numbers) if life in near]


def alone(events):
    """Every event in a round of its own."""
    return [[number, client, ops]
            for number, (_, client, ops) in enumerate(events)]


def cut_ops(shrinker, events):
    for at in reversed(range(len(events))):
        number, client, ops = events[at]

        def build(kept, at=at, number=number, client=client):
            if not kept:
                return events[:at] + events[at + 1:]
            return events[:at] + [[number, client, kept]] + events[at + 1:]

        if len(ops) > 1:
            shrinker.cut(ops, build)
            events = shrinker.best[0]
    return events


def shrink(ground, events, options, difference, seconds):
    """(events, options, difference), as short as was found in the time."""
    patience, player.PATIENCE = player.PATIENCE, 2
    found = Shrinker(ground, options, difference.key, seconds)
    try:
        single = dict(options, workers=1)
        for count in (30, 200, 1000, len(events)):
            near = near_the_end(events, count)
            if found.shows(alone(near), single):
                found.options = single
                break
            if found.shows(near):
                found.tries = 3
                break
        if found.best is None:
            return events, options, difference
        cut_events(found)
        cut_ops(found, found.best[0])
    finally:
        player.PATIENCE = patience
    return found.best[0], found.options, found.best[1]


def cut_events(found):
    clients = sorted({client for _, client, _ in found.best[0]})
    events = found.best[0]
    found.cut(clients, lambda kept: [e for e in events if e[1] in kept])
    found.cut(found.best[0], lambda kept: kept)
