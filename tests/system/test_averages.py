"""Averages of SHOW STATS, and the line that log_stats writes."""

import re

from cluster import wait_until
from test_console import table
from wire import Client


def stats(weir):
    return {r["database"]: r for r in table(weir, "STATS")}["app"]


def test_averages_are_over_the_last_periods_and_the_log_tells_them(world):
    weir = world.start("stats_period = 1s\nlog_stats = 1\n")
    client = Client(weir.port)
    for _ in range(100):
        client.one("select 1")
    assert stats(weir)["total_query_count"] == "100"
    asked = 100

    def is_counted():
        nonlocal asked
        for _ in range(10):
            client.one("select 1")
        asked += 10
        found = stats(weir)
        return (int(found["avg_query_count"]) > 0 and
                int(found["avg_recv"]) > 0 and
                int(found["avg_query_time"]) > 0)
    wait_until("the last periods tell of it", is_counted)
    wait_until("a period without a query is over", lambda: stats(weir)[
        "avg_query_count"] == "0")
    assert int(stats(weir)["total_query_count"]) == asked
    told = re.findall(r"LOG stats: (\d+) xacts/s, (\d+) queries/s, "
                      r"in (\d+) B/s, out (\d+) B/s, xact (\d+) us, "
                      r"query (\d+) us, wait (\d+) us", weir.text())
    assert any(int(line[1]) > 0 for line in told), told
    assert told[-1] == ("0",) * 7, told

