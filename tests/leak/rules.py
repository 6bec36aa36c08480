"""What an event may leave behind, by the texts that it runs: it is played
only where that leaves the answers certain (see player.py)."""

# What may keep a server behind its transaction, in any text.
TIES = ("temp", "advisory", "with hold", "prepare ", "load '",
        "nextval", "currval", "lastval", "do $$", "call ", "keeps_",
        "public.sets(")
# Of that, what DISCARD ALL does not end.
LASTS = ("load '", "public.sets(")
# What may leave a transaction open.
OPENS = ("begin", "start transaction", "chain")
# What changes who hears what.
HEARD = ("everybody", "unlisten *", "discard all")
CONVERTS = ("client_encoding", "names '")
# In an open transaction what it has reset to is told later.
RESETS = ("reset", "default", "zone local")


class Said:
    """What a client's names for statements may mean."""

    def __init__(self):
        self.meanings = {}

    def texts(self, ops):
        """All that these may run; and what names may mean behind them."""
        found, meanings = [], dict(self.meanings)
        for op in ops:
            if op[0] == "Q":
                found.append(op[1].lower())
            elif op[0] == "P" and op[1] != "probe":
                text = op[2].lower()
                found.append(text)
                # It may be refused or skipped, and an older one stays.
                meanings[op[1]] = (meanings.get(op[1], []) + [text])[-4:]
            elif op[0] == "B":
                found += meanings.get(op[2], [])
                found += [(value or "").lower() for value in op[3]]
        return found, meanings

    def resets_early(self, ops):
        """What stands behind a RESET in the same batch sees the server's
        default, not the startup parameter."""
        meanings, has_reset = dict(self.meanings), False
        for op in ops:
            if op[0] == "S":
                has_reset = False
            elif op[0] in "PBQ" and has_reset:
                return True
            elif op[0] == "P" and op[1] != "probe":
                meanings[op[1]] = meanings.get(op[1], []) + [op[2].lower()]
            elif op[0] == "B":
                has_reset = has(meanings.get(op[2], []),
                                RESETS + ("discard all",))
        return False

    def note(self, ops):
        self.meanings = self.texts(ops)[1]


def has(texts, words):
    return any(word in text for text in texts for word in words)
