"""Plays a program against PostgreSQL and against pgweir and compares.

A program is a list of events; an event is [round, client, ops].  All events
of a round run at the same time, each on a client of its own.  An op is a list:

    ["login", {parameters}]     a new connection; must stand alone
    ["leave"] ["vanish"]        Terminate and close, or close without a word
    ["Q", text]                 a simple query
    ["P", name, text, types]    and B, D, E, C, H, S: the extended protocol
    ["d", text] ["c"] ["f", text]  CopyData, CopyDone, CopyFail
    ["wait"]                    read until something that ran has ended
    ["hear"]                    read until a notice
    ["cancel"]                  a cancel request on a connection of its own

A text may hold <70000>, which stands for so many bytes of x, and <probe>, which
stands for program.PROBE.

Every client has two connections: "direct" to PostgreSQL and "pooled" to
pgweir.  What both answered is compared message by message when both have
ended, and the ParameterStatus of both as the client would have kept it.
Everything is one thread that waits for all sockets of a round at once, so
that no client's unread answer keeps another one waiting.

What must be true of a program so that its answers are certain: clients do not
touch the same rows, and those that keep a server for longer than a statement
(an open transaction, a tie) are fewer than the servers.  The second is kept
up here: an event that would break it is left out (play_event), which depends
on PostgreSQL's own answers only, so that a program plays the same way twice.
"""

import os
import re
import select
import selectors
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "system"))

import wire  # noqa: E402
from program import PROBE  # noqa: E402
from rules import (  # noqa: E402
    CONVERTS, HEARD, LASTS, OPENS, RESETS, TIES, Said, has)

PATIENCE = 60
LATENESS = 1
FILLER = re.compile("<([0-9]+|probe)>")
ENDINGS = frozenset(b"CEsI")


class Difference(Exception):
    """The two answered differently."""

    def __init__(self, key, text, event=None):
        super().__init__(text)
        self.key = key
        self.event = event


def filled(found):
    what = found.group(1)
    return PROBE if what == "probe" else "x" * int(what)


def encode(op):
    """The bytes of an op that is a message."""
    kind = op[0]
    if kind in "QP":
        op = [FILLER.sub(filled, part) if isinstance(part, str) else part
              for part in op]
    if kind == "Q":
        return wire.query(op[1])
    if kind == "P":
        types = op[3] if len(op) > 3 else []
        return wire.message("P", op[1].encode() + b"\0" + op[2].encode() +
                            b"\0" + struct.pack(">H", len(types)) +
                            b"".join(struct.pack(">I", t) for t in types))
    if kind == "B":
        body = op[1].encode() + b"\0" + op[2].encode() + b"\0\0\0"
        body += struct.pack(">H", len(op[3]))
        for value in op[3]:
            if value is None:
                body += struct.pack(">i", -1)
            else:
                body += struct.pack(">i", len(value.encode()))
                body += value.encode()
        return wire.message("B", body + b"\0\0")
    if kind in ("D", "C"):
        return wire.message(kind, op[1].encode() + op[2].encode() + b"\0")
    if kind == "E":
        return wire.execute(op[1], op[2])
    if kind == "S":
        return wire.SYNC
    if kind == "H":
        return wire.FLUSH
    if kind == "d":
        return wire.message("d", op[1].encode())
    if kind == "c":
        return wire.message("c")
    if kind == "f":
        return wire.message("f", op[1].encode() + b"\0")
    raise ValueError(kind)


def phases(ops):
    """[(bytes, ending, count, cancels)]: what is sent before what is read."""
    out, ready, found = b"", 0, []
    for op in ops:
        if op[0] == "wait":
            found.append((out, "done", 1, False))
            out = b""
        elif op[0] == "hear":
            found.append((out, "notice", 1, False))
            out = b""
        elif op[0] == "cancel":
            found.append((out, "", 0, True))
            out = b""
        else:
            out += encode(op)
            ready += op[0] in "QS"
    found.append((out, "ready", ready, False))
    return found


class Side:
    """One connection of a client."""

    def __init__(self, port, database, parameters):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.local_port = self.socket.getsockname()[1]
        self.database = database
        self.data, self.out = bytearray(), b""
        self.parameters = {}
        self.status = "I"
        self.pid = self.key = 0
        self.heard, self.said = [], Said()
        self.ended = self.listens = self.converts = False
        self.speaks = self.lasts = self.moves_path = False
        self.begin_login(parameters)

    def begin_login(self, parameters):
        self.messages = []
        self.phases = [(wire.startup(user="app", database=self.database,
                                     **parameters), "ready", 1, False)]
        self.seen = {"ready": 0, "done": 0, "notice": 0, "": 0}
        self.next_phase()

    def begin(self, ops):
        self.messages = []
        self.phases = phases(ops)
        self.seen = {"ready": 0, "done": 0, "notice": 0, "": 0}
        self.next_phase()

    def next_phase(self):
        out, self.ending, self.count, cancels = self.phases.pop(0)
        self.out += out
        self.seen["done"] = self.seen["notice"] = 0
        if cancels:
            self.cancel()

    def cancel(self):
        with socket.create_connection(("127.0.0.1", self.port), 30) as s:
            s.sendall(struct.pack(">IIII", 16, 80877102, self.pid, self.key))
            try:
                while s.recv(16):
                    pass
            except ConnectionResetError:
                pass

    def is_over(self):
        """The phase's end was read; goes on to the next one."""
        while not self.out and (self.ended or self.is_phase_over()):
            if self.ended or not self.phases:
                return True
            self.next_phase()
        return False

    def is_phase_over(self):
        """A statement that should say something may have failed instead."""
        if self.ending == "notice" and self.seen["ready"] > 0:
            self.phases = [p for p in self.phases if not p[3]]
            return True
        return self.seen[self.ending] >= self.count

    def write(self):
        try:
            n = self.socket.send(self.out)
            self.out = self.out[n:]
        except BlockingIOError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            self.out = b""

    def read(self):
        try:
            more = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except (ConnectionResetError, BrokenPipeError):
            more = b""
        if not more:
            self.ended, self.out = True, b""
            return
        data = self.data
        data += more
        at, size = 0, len(data)
        while size - at >= 5:
            length = int.from_bytes(data[at + 1:at + 5], "big")
            if size - at <= length:
                break
            self.take(data[at], bytes(data[at + 5:at + 1 + length]))
            at += length + 1
        del data[:at]

    def take(self, kind, body):
        if kind == 0x53:		# S
            name, value, _ = body.split(b"\0")
            self.parameters[name.decode()] = value.decode("utf8", "replace")
            return
        if kind == 0x52:		# R
            return
        if kind == 0x4b:		# K
            self.pid, self.key = struct.unpack(">II", body)
            return
        if kind == 0x5a:		# Z
            self.status = body.decode()
            self.seen["ready"] += 1
            self.seen["done"] += 1
        elif kind in ENDINGS:
            self.seen["done"] += 1
        elif kind == 0x4e:		# N
            self.seen["notice"] += 1
        if kind == 0x41 and struct.unpack(">I", body[:4])[0] != self.pid:
            self.heard.append(body[4:])
            return
        self.messages.append((kind, body))

    def close(self):
        self.socket.close()


def plain_row_description(body):
    """Without the tables' numbers, which differ between the databases."""
    (count,) = struct.unpack(">H", body[:2])
    at, out = 2, []
    for _ in range(count):
        end = body.index(b"\0", at)
        table, column, kind = struct.unpack(">IHI", body[end + 1:end + 11])
        out.append((body[at:end].decode(), table != 0, column,
                    kind if kind < 16384 else "own",
                    body[end + 11:end + 19]))
        at = end + 19
    return out


def plain(message, pid):
    """The message as it is compared and shown."""
    kind, body = chr(message[0]), message[1]
    if kind in "EN":
        found = [part.decode("utf8", "backslashreplace")
                 for part in body.split(b"\0") if part]
        # Where a cancel has hit is chance, and how a function is called there.
        return kind, {p[0]: p[1:] for p in found
                      if p[0] not in "FLRW"}
    if kind == "T":
        return kind, plain_row_description(body)
    if kind == "A":
        return kind, body[4:]
    if kind == "D":
        if len(body) > 3000:
            return kind, body
        try:
            return kind, wire.row(body)
        except UnicodeDecodeError:
            return kind, body
    return kind, body


def key_of(message):
    """What a difference is known by, so that a shorter program shows it too.
    """
    if message is None:
        return "nothing"
    if message[0] in "EN":
        return message[0] + message[1].get("C", "")
    return message[0]


def schema_differs(direct, pooled):
    """A server on which somebody had a temporary table keeps its schema."""
    return direct[0] == pooled[0] == "N" and \
        {direct[1]["M"], pooled[1]["M"]} == {
            'schema "pg_temp" does not exist, skipping',
            'table "tt" does not exist, skipping'}


def told_at_once(direct):
    """A statement whose table was dropped cannot be prepared elsewhere: the
    error that follows its parameters comes without them."""
    return [a for a, b in zip(direct, direct[1:] + [None])
            if not (a[0] == "t" and b is not None and b[0] == "E" and
                    b[1]["C"] == "42P01")]


def refused_before(direct, pooled):
    """Where search_path has just changed, a statement from before is prepared
    anew: what is wrong with it then is told before what is with its Bind."""
    return direct[0] == pooled[0] == "E" and \
        direct[1]["C"] in ("08P01", "42P03") and \
        pooled[1]["C"] in ("42P01", "42703", "42883", "55000")


def compare(direct, pooled):
    """Raises a Difference if the two sides did not answer alike."""
    if direct.messages != pooled.messages:
        one = [plain(m, direct.pid) for m in direct.messages]
        two = [plain(m, pooled.pid) for m in pooled.messages]
        if len(one) == len(two):
            two = [a if schema_differs(a, b) or (
                   direct.moves_path and refused_before(a, b)) else b
                   for a, b in zip(one, two)]
        if one != two and told_at_once(one) != told_at_once(two):
            at = 0
            while at < len(one) and at < len(two) and one[at] == two[at]:
                at += 1
            a = one[at] if at < len(one) else None
            b = two[at] if at < len(two) else None
            raise Difference(
                f"{key_of(a)}/{key_of(b)}",
                f"message {at}\n  PostgreSQL: {short(a)}\n"
                f"  pgweir:     {short(b)}\n"
                f"  all PostgreSQL said: {short(one)}\n"
                f"  all pgweir said:     {short(two)}")
    if direct.ended != pooled.ended:
        raise Difference("end", "only one connection ended: " +
                         ("PostgreSQL's" if direct.ended else "pgweir's"))


def compare_parameters(direct, pooled):
    if direct.parameters != pooled.parameters:
        one, two = direct.parameters, pooled.parameters
        names = [n for n in sorted(set(one) | set(two))
                 if one.get(n) != two.get(n)]
        raise Difference("S " + " ".join(names), "ParameterStatus: " + "; ".join(
            f"{n} is {one.get(n)!r}, with pgweir {two.get(n)!r}"
            for n in names))


def compare_heard(direct, pooled):
    """Of others; those of different ones have no order."""
    one, two = sorted(direct.heard), sorted(pooled.heard)
    if one != two:
        raise Difference("A", f"heard of others: {one}, with pgweir {two}")


def short(value, limit=700):
    if isinstance(value, tuple) and value and value[0] == "D" and \
            isinstance(value[1], bytes):
        value = ("D", value[1][:200], len(value[1]))
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


class Player:
    """Both connections of every client, and what they hold on to."""

    def __init__(self, direct, pooled, await_exit, most_ties=3, most_held=4):
        self.ends = {"direct": direct, "pooled": pooled}
        self.sides = {}
        self.await_exit, self.exits = await_exit, []
        self.on_difference = None
        self.tied, self.has_reset = set(), set()
        self.selector = selectors.DefaultSelector()
        self.most_ties, self.most_held = most_ties, most_held
        self.statements = 0

    def status(self, client):
        return self.sides[client][0].status

    def holds(self):
        return {c for c, (direct, _) in self.sides.items()
                if c in self.tied or direct.status != "I"}

    def texts(self, client, ops):
        """What these may run."""
        if client not in self.sides:
            return []
        return self.sides[client][0].said.texts(ops)[0]

    def may_play(self, client, ops, texts, busy):
        """busy: what earlier events of the round may come to hold."""
        if not ops or ops[0][0] == "login":
            return client not in self.sides
        if client not in self.sides:
            return False
        if ops[-1][0] in ("leave", "vanish"):
            return True
        if self.sides[client][0].said.resets_early(ops):
            return False
        holds = self.holds() | busy["held"]
        ties = self.tied | busy["ties"]
        ties_now = self.may_tie(client, texts)
        if ties_now and client not in ties and len(ties) >= self.most_ties:
            return False
        return not (client not in holds and
                    (ties_now or has(texts, OPENS)) and
                    len(holds) >= self.most_held)

    def meet(self, difference, *clients):
        if self.on_difference is None:
            raise difference
        self.on_difference(difference)
        for client in clients:
            self.drop(client)

    def may_tie(self, client, texts):
        """A client that listens in an encoding of its own keeps a server."""
        side = self.sides[client][0]
        if has(texts, TIES):
            return True
        side.listens |= has(texts, ("listen",))
        side.converts |= side.parameters["client_encoding"] != "UTF8" or \
            has(texts, CONVERTS)
        return side.listens and side.converts

    def is_heard(self, client, texts):
        """Who hears what is certain if only one speaks or begins to hear."""
        side = self.sides[client][0] if client in self.sides else None
        if has(texts, HEARD):
            return True
        return side is not None and side.speaks and side.status != "I"

    def play_round(self, events):
        """Plays what may be played; returns that."""
        busy = {"held": set(), "ties": set(), "is_heard": False}
        played = []
        for event in events:
            _, client, ops = event
            texts = self.texts(client, ops)
            if not self.may_play(client, ops, texts, busy):
                continue
            is_heard = self.is_heard(client, texts)
            if is_heard and busy["is_heard"]:
                continue
            busy["is_heard"] |= is_heard
            ties = client in self.sides and self.may_tie(client, texts)
            if ties:
                busy["ties"].add(client)
            if ties or has(texts, OPENS):
                busy["held"].add(client)
            self.start(client, ops)
            played.append(event)
        try:
            self.collect(played)
        except Difference as difference:
            self.meet(difference, *difference.clients)
        for event in played:
            try:
                self.settle(event)
            except Difference as difference:
                self.meet(difference, event[1])
        if busy["is_heard"]:
            self.compare_others(events)
        for exit in self.exits:
            self.await_exit(*exit)
        self.exits = []
        return played

    def start(self, client, ops):
        self.statements += 1
        if ops[0][0] == "login":
            self.sides[client] = [
                Side(*self.ends[which], ops[0][1])
                for which in ("direct", "pooled")]
            for side in self.sides[client]:
                self.selector.register(side.socket, selectors.EVENT_READ,
                                       (client, side))
            return
        texts = self.texts(client, ops)
        farewell = ops[-1][0] if ops[-1][0] in ("leave", "vanish") else ""
        said = ops[:-1] if farewell else ops
        for side in self.sides[client]:
            side.moves_path = has(texts, ("search_path",)) or (
                side.moves_path and side.status != "I")
            side.begin(said)
            if farewell == "leave":
                side.out += wire.TERMINATE
        if farewell:
            for side in self.sides[client]:
                side.write()
            self.drop(client, has(texts, TIES + OPENS))

    def collect(self, events):
        """Until every side has ended its phases, all at once."""
        end = time.monotonic() + PATIENCE
        waiting = {}
        for _, client, _ in events:
            for side in self.sides.get(client, ()):
                waiting[side] = client
        for side in list(waiting):
            self.look(side, waiting)
        while waiting:
            ready = self.selector.select(max(0, end - time.monotonic()))
            if not ready and time.monotonic() >= end:
                who = sorted(
                    (c, "direct" if s is self.sides[c][0] else "pooled")
                    for s, c in waiting.items())
                found = Difference(
                    "stall", f"no answer within {PATIENCE} s to {who}; "
                    f"ties {sorted(self.tied)}, "
                    f"transactions {sorted(self.holds() - self.tied)}",
                    next(e for e in events if e[1] in waiting.values()))
                found.clients = set(waiting.values())
                raise found
            for key, mask in ready:
                side = key.data[1]
                if mask & selectors.EVENT_READ:
                    side.read()
                if mask & selectors.EVENT_WRITE:
                    side.write()
                self.look(side, waiting)

    def look(self, side, waiting):
        if side.out:
            side.write()
        if side.is_over():
            waiting.pop(side, None)
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if side.out
                                         else 0)
        key = self.selector.get_key(side.socket)
        if side.ended:
            wanted = 0 if side not in waiting else wanted
        if key.events != wanted and wanted:
            self.selector.modify(side.socket, wanted, key.data)

    def settle(self, event):
        """After a round: compares, and knows again who holds what."""
        _, client, ops = event
        if client not in self.sides:
            return
        direct, pooled = self.sides[client]
        texts = self.texts(client, ops)
        try:
            compare(direct, pooled)
            if not self.resets(client, texts, direct):
                self.await_alike(direct, pooled, lambda side: side.parameters)
                compare_parameters(direct, pooled)
        except Difference as difference:
            difference.event = event
            raise
        if direct.ended:
            self.drop(client)
            return
        direct.said.note(ops)
        direct.speaks = direct.status != "I" and \
            (direct.speaks or has(texts, HEARD))
        if self.may_tie(client, texts):
            self.tied.add(client)
        direct.lasts |= has(texts, LASTS)
        if direct.status == "I" and not direct.lasts and \
                (0x43, b"DISCARD ALL\0") in direct.messages[-2:]:
            self.tied.discard(client)

    def resets(self, client, texts, direct):
        """In an open transaction what it has RESET to is told later."""
        if direct.status != "T":
            self.has_reset.discard(client)
        elif has(texts, RESETS):
            self.has_reset.add(client)
        return client in self.has_reset

    def compare_others(self, events):
        """Notifications come by themselves, but not in a transaction."""
        for client, (direct, pooled) in list(self.sides.items()):
            if direct.status != "I":
                continue
            direct.read()
            pooled.read()
            self.await_heard(direct, pooled, PATIENCE)
            try:
                compare_heard(direct, pooled)
            except Difference as difference:
                difference.event = [events[-1][0], client, [["hears"]]]
                difference.args = (f"{difference}; "
                                   f"{self.whether_late(direct, pooled)}",)
                self.meet(difference, client)

    def await_heard(self, direct, pooled, patience):
        self.await_alike(direct, pooled, lambda side: sorted(side.heard),
                         patience)

    def whether_late(self, direct, pooled):
        """What is lost never comes; what was kept comes with an answer."""
        pooled.begin([["Q", ""]])
        pooled.write()
        self.await_heard(direct, pooled, LATENESS)
        if sorted(direct.heard) == sorted(pooled.heard):
            return "it came with the next answer"
        return "it did not come with the next answer"

    @staticmethod
    def await_alike(direct, pooled, what, patience=LATENESS):
        """What comes behind ReadyForQuery, such as what a RESET gave back."""
        end = time.monotonic() + patience
        while what(pooled) != what(direct) and not pooled.ended:
            ready = select.select([direct.socket, pooled.socket], [], [],
                                  max(0, end - time.monotonic()))[0]
            if not ready:
                return
            for side in (direct, pooled):
                if side.socket in ready:
                    side.read()

    def drop(self, client, held=True):
        """What it held others may want in the next round."""
        if held or client in self.holds():
            self.exits.append((client, *(side.local_port
                                         for side in self.sides[client])))
        for side in self.sides.pop(client):
            self.selector.unregister(side.socket)
            side.close()
        self.tied.discard(client)

    def close(self):
        for client in list(self.sides):
            self.drop(client)
        self.exits = []
