#!/usr/bin/env python3
"""Pictures of the dashboard, to be looked at.

	picture.py --binary PGWEIR [--seconds 60] FOLDER

writes dark.png and light.png: every panel of k8s/monitoring/dashboard.json
with what a real Prometheus has scraped from live.py, drawn by Grafana's own
components from npm in Debian's Chromium.  Grafana's server is in neither
registry; its grid and its variables are imitated here, the drawing is not.
"""

import argparse
import json
import os
import sys
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]
sys.dont_write_bytecode = True

from browser import Browser  # noqa: E402
from cluster import wait_until  # noqa: E402
from live import Live  # noqa: E402
from test_monitoring import dashboard  # noqa: E402
from tools import Tools, run  # noqa: E402

WIDTH, CELL = 1600, 38


def script(tools):
    """board.jsx and all that it needs, as one file."""
    cache = os.path.join(tools.cache, "picture")
    modules = tools.npm("picture", cache)
    made = os.path.join(cache, "board.js")
    with open(os.path.join(HERE, "picture", "board.jsx")) as f, \
            open(os.path.join(cache, "board.jsx"), "w") as g:
        g.write(f.read())
    run(os.path.join(modules, "esbuild", "bin", "esbuild"),
        os.path.join(cache, "board.jsx"), "--bundle", f"--outfile={made}",
        '--define:process.env.NODE_ENV="production"',
        "--define:global=window", "--loader:.svg=text", "--loader:.css=text",
        "--log-level=error")
    with open(made) as f:
        return f.read()


def played(tools, seconds):
    """What each panel shows, after a while with a failover in it."""
    with Live(tools) as live:
        time.sleep(seconds / 2)
        live.fail_over()
        live.refuse_a_configuration()
        time.sleep(seconds / 2)
        return {"from": live.began, "to": time.time(), "panels": [
            [[t["legendFormat"], live.series(t["expr"])]
             for t in panel["targets"]] for panel in dashboard()["panels"]]}


def draw(tools, program, scene, name):
    board = scene["board"]
    cells = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"])
    page = tools.path(scene["mode"] + ".html")
    text = json.dumps(scene).replace("</", "<\\/")
    with open(page, "w") as f:
        f.write("<!doctype html><meta charset=utf-8><body style='margin:0;"
                "font-family:sans-serif'><script>window.scene=" + text +
                "</script><script>" + program.replace("</script", "<\\/script")
                + "</script>")
    browser = Browser(types.SimpleNamespace(top=tools.dir))
    try:
        browser.look(WIDTH, cells * CELL + 16, scene["mode"])
        browser.open("file://" + page)
        wait_until("it is drawn", lambda: browser.ask("!!window.isDrawn"))
        browser.picture(name)
    finally:
        browser.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("folder")
    arguments = parser.parse_args()
    tools = Tools(os.path.abspath(arguments.binary))
    try:
        program = script(tools)
        data = played(tools, arguments.seconds)
        for mode in "dark", "light":
            draw(tools, program, {"board": dashboard(), "data": data,
                                  "mode": mode, "width": WIDTH},
                 os.path.join(arguments.folder, mode + ".png"))
    finally:
        tools.close()


if __name__ == "__main__":
    main()
