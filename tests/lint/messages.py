"""conf/handbook/troubleshooting.md has every text that a client can be told, and no
other: the texts are read from the calls in src that tell them."""

import glob
import re
import sys

TELLERS = {
    "client_fail", "client_fail_as", "relay_answer_error",
    "relay_refuse_held", "relay_bad_message", "relay_lose_server",
    "login_fail", "source_fail", "scram_server_bad", "startup_bad",
    "scram_client_bad", "scram_client_fail", "console_error",
    "replication_end", "replication_lose",
}
# Texts that are put together first.
COMPOSED = {
    "src/pool/pool_set.c", "src/pool/pool_table.c", "src/relay/relay_lost.c",
    "src/relay/relay_query.c", "src/relay/relay_choose.c",
    "src/pool/cluster_judge.c", "src/relay/relay_tie.c",
    "src/client/client_login.c", "src/wire/scram_client.c", "src/lifecycle.c", "src/client/auth_query.c",
}
COMPOSERS = {"snprintf", "mem_string", "workers_dismiss", "client_dismiss"}


def calls(text):
    """Name and arguments of every call, strings and all."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    for found in re.finditer(r"\b([a-z_]+)\(", text):
        depth, at, quoted = 1, found.end(), False
        while depth and at < len(text):
            char = text[at]
            if quoted:
                at += char == "\\"
                quoted = char != '"'
            elif char == '"':
                quoted = True
            else:
                depth += (char == "(") - (char == ")")
            at += 1
        yield found[1], text[found.end():at - 1]


def literals(arguments):
    for run in re.findall(r'((?:"(?:[^"\\]|\\.)*"\s*)+)', arguments):
        text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', run))
        yield text.replace('\\"', '"')


def plain(text):
    """Whatever is filled in is one sign."""
    text = re.sub(r"%[-+.*0-9]*(?:ll|l|z)?[a-z]", "…", text)
    return re.sub(r"\s+", " ", text).strip()


def told():
    found = set()
    for path in sorted(glob.glob("src/**/*.c", recursive=True)):
        with open(path) as f:
            text = f.read()
        tellers = [arguments for name, arguments in calls(text)
                   if name in TELLERS or
                   (path in COMPOSED and name in COMPOSERS)]
        tellers += re.findall(r'\.message = ((?:"[^"]*"\s*)+)', text)
        for arguments in tellers:
            for literal in literals(arguments):
                literal = plain(literal)
                is_hint = re.match(r"[A-Z][a-z]* ", literal) and \
                    literal[-1] in ".?"
                words = re.findall(r"[A-Za-z_]{2,}", literal)
                if len(words) >= 3 and not is_hint and \
                        not literal.startswith((";", "and ", "From ", "did you mean",
                                            "transaction that")):
                    found.add(literal)
    return found


def documented():
    with open("conf/handbook/troubleshooting.md") as f:
        rows = [line.split(" | ")[0] for line in f
                if line.startswith("| `")]
    return {plain(text) for row in rows
            for text in re.findall(r"`([^`]+)`", row)}


if "--print" in sys.argv:
    print("\n".join(sorted(told())))
    sys.exit()
source, page = told(), documented()
for text in sorted(source - page):
    print("conf/handbook/troubleshooting.md does not have:", text)
for text in sorted(page - source):
    print("conf/handbook/troubleshooting.md has what nobody says:", text)
sys.exit(bool(source ^ page))
