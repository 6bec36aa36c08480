"""What tests of a database whose reads are split have in common."""

from cluster import wait_until

PORT = "select inet_server_port()"


def is_ready(cluster, client):
    """The catalogue is read and replicas are known: a read is split."""
    primary = cluster.nodes[0].port
    wait_until("reads go to a replica",
               lambda: int(client.one(PORT)) != primary)


def routes(weir):
    """(target, reason) -> how many"""
    return {tuple(line.split("|")[1:3]): int(line.split("|")[3])
            for line in weir.console("show routes").split("\n") if line}
