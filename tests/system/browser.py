"""Debian's Chromium, spoken to over its own pipe: no driver is needed."""

import base64
import fcntl
import json
import os
import shutil
import subprocess

from cluster import Skip, wait_until


class Browser:
    def __init__(self, world):
        program = shutil.which("chromium")
        if program is None:
            raise Skip("chromium is not installed")
        ends = []
        for end in (*os.pipe(), *os.pipe()):
            ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20))
            os.close(end)
        from_us, self.to_it, self.from_it, to_us = ends
        # The browser reads from its descriptor 3 and writes to 4.  The shell
        # puts them there: what Python itself has at 3 stays as it is.
        profile = os.path.join(world.top, "browser")
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"',
             str(from_us), str(to_us),
             program, "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-dev-shm-usage",
             "--disable-component-update", f"--user-data-dir={profile}",
             "--remote-debugging-pipe", "about:blank"],
            pass_fds=(from_us, to_us), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(from_us)
        os.close(to_us)
        self.number, self.rest, self.session = 0, b"", None
        self.messages = []
        target = wait_until("there is a page", lambda: [
            t for t in self.call("Target.getTargets")["targetInfos"]
            if t["type"] == "page"])[0]
        self.session = self.call("Target.attachToTarget", flatten=True,
                                 targetId=target["targetId"])["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.call("Network.enable")

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_it, json.dumps(message).encode() + b"\0")
        while True:
            got = self.read()
            if got.get("id") == self.number:
                if "error" in got:
                    raise AssertionError(f"{method}: {got['error']}")
                return got["result"]
            self.messages.append(got)

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.from_it, 1 << 20)
            if not more:
                raise AssertionError("the browser has ended")
            self.rest += more
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def look(self, width, height, scheme, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        self.messages = []
        self.call("Page.navigate", url=url)

    def ask(self, expression):
        got = self.call("Runtime.evaluate", expression=expression,
                        returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def faults(self):
        """What the page's console and its policy had to say."""
        self.ask("0")
        return [m for m in self.messages if m.get("method") in (
            "Runtime.exceptionThrown", "Log.entryAdded")]

    def requested(self):
        return [m["params"]["request"]["url"] for m in self.messages
                if m.get("method") == "Network.requestWillBeSent"]

    def picture(self, path):
        got = self.call("Page.captureScreenshot", format="png")
        with open(path, "wb") as f:
            f.write(base64.b64decode(got["data"]))

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        os.close(self.to_it)
        os.close(self.from_it)
