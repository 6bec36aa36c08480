"""What an operator's tools ask of metrics_port."""

import http.client
import re

OPTIONS = "metrics_addr = 127.0.0.1\nmetrics_port = 0\n"


def port_of(weir):
    return int(re.findall(r"metrics on \S+:(\d+)", weir.text())[-1])


def get(weir, path, headers=None, method="GET", port=None):
    """Status, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1",
                                            port or port_of(weir), timeout=30)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def samples(text):
    """{(name, labels as a frozenset): value}; a series given twice fails."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        head, value = line.rsplit(" ", 1)
        name, _, rest = head.partition("{")
        labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest))
        assert (name, labels) not in found, f"twice: {line}"
        found[name, labels] = float(value)
    return found


def metrics(weir):
    status, _, text = get(weir, "/metrics")
    assert status == 200, text
    return samples(text)


def value(found, name, **labels):
    """The sum of the series that have these labels."""
    matching = [v for (n, l), v in found.items()
                if n == name and set(labels.items()) <= l]
    assert matching, (name, labels, sorted(
        tuple(sorted(l)) for n, l in found if n == name))
    return sum(matching)
