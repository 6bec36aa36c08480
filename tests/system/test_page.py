"""The page at /: who gets it, what it says, how it looks."""

import json
import os
import socket
import threading

from browser import Browser
from cluster import wait_until
from web import OPTIONS, get, port_of
from wire import Client, query

TOKEN = "page-token-0123456789"


def with_token(world, options=""):
    path = os.path.join(world.top, "token")
    with open(path, "w") as f:
        f.write(TOKEN + "\n")
    return world.start(OPTIONS + "dashboard = on\n"
                       f"dashboard_token_file = {path}\n" + options)


def own_address():
    """An address of this machine that is not localhost, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return None


def test_without_dashboard_there_is_no_page(world):
    weir = world.start(OPTIONS)
    for path in ("/", "/data.json"):
        assert get(weir, path)[0] == 404


def test_localhost_gets_the_page_and_other_names_of_it_do_not(world):
    weir = with_token(world)
    for host in ("localhost:9127", "127.0.0.1", "[::1]:80"):
        assert get(weir, "/", {"Host": host})[0] == 200, host
    # A page of somebody else's whose name was made to lead here.
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.x"):
        assert get(weir, "/", {"Host": host})[0] == 401, host
        assert get(weir, "/data.json", {"Host": host})[0] == 401, host


def test_the_token_opens_the_page_from_anywhere(world):
    weir = with_token(world)
    host = {"Host": "pooler.example"}

    def status(path, **headers):
        return get(weir, path, {**host, **headers})[0]
    assert status("/") == 401
    assert status("/?token=" + TOKEN) == 200
    assert status("/data.json", Authorization="Bearer " + TOKEN) == 200
    for wrong in ("", TOKEN[:-1], TOKEN + "x", "x" * len(TOKEN)):
        assert status("/?token=" + wrong) == 401, wrong
        assert status("/", Authorization="Bearer " + wrong) == 401
        assert status("/", Authorization=wrong) == 401
    assert TOKEN not in weir.console("SHOW CONFIG") + weir.text()
    assert TOKEN not in get(weir, "/metrics")[2]


def test_an_address_that_is_not_localhost_needs_the_token(world):
    address = own_address()
    if address is None or address.startswith("127."):
        return
    weir = world.start(OPTIONS.replace("127.0.0.1", "0.0.0.0")
                       + "dashboard = on\n")
    with socket.create_connection((address, port_of(weir))) as s:
        s.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b" 401 " in s.recv(4096)


def test_the_data_is_json_whatever_peers_call_themselves(world):
    weir = with_token(world)
    name = 'a"]}\\<script>\n\x01\u00e9'
    client = Client(weir.port, database=name)
    client.ask(query("select 1/0"))
    data = json.loads(get(weir, "/data.json")[2])
    assert name in [p["database"] for p in data["pools"]]
    assert data["state"] == "active"
    assert len(data["query_buckets"]) == len(data["boundaries_us"]) + 1


def test_the_page_is_one_file_that_asks_for_nothing_outside(world):
    weir = with_token(world)
    _, headers, text = get(weir, "/")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    for tag in ("https://", "<link", "<img", " src=", "@import", "url("):
        assert tag not in text, tag


class Load:
    """Clients that keep a pool busy."""

    def __init__(self, weir):
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(weir, n))
                        for n in range(3)]
        for thread in self.threads:
            thread.start()

    def run(self, weir, n):
        client = Client(weir.port, user=("app", "postgres")[n % 2])
        while not self.stop.is_set():
            client.one("select pg_sleep(0.003)")
        client.close()

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def __enter__(self):
        return self


LOOKS = [("light", 1200, 900, False), ("dark", 1200, 900, False),
         ("light", 390, 844, True), ("dark", 390, 844, True)]


def test_the_page_lives_in_a_browser_dark_and_light_and_on_a_phone(world):
    pictures = os.environ.get("PGWEIR_PICTURES", world.top)
    weir = with_token(world, "default_pool_size = 2\n")
    holders = [Client(weir.port) for _ in range(3)]
    for client in holders[:1]:
        client.ask(query("begin"))
    # Nothing that a peer says may become a part of the page.
    evil = Client(weir.port, database="<img src=x onerror=window.evil=1>")
    evil.close()
    for _ in range(3):
        Client(weir.port, connect=False).login("<b>nobody</b>", "app")
    browser = Browser(world)
    try:
        with Load(weir):
            for scheme, width, height, mobile in LOOKS:
                browser.look(width, height, scheme, mobile)
                browser.open(f"http://127.0.0.1:{port_of(weir)}/"
                             f"?token={TOKEN}")
                wait_until("a chart has a line", lambda: browser.ask(
                    "document.querySelectorAll('.tile path').length > 5 && "
                    "document.querySelector('.tile path').getAttribute('d')"
                    ".includes('L')"))
                assert browser.ask("document.getElementById('state')"
                                   ".textContent") == "active"
                assert TOKEN not in browser.ask("location.href")
                # Nothing is wider than the screen.
                assert browser.ask("document.documentElement.scrollWidth "
                                   "<= innerWidth"), (scheme, width)
                browser.picture(os.path.join(
                    pictures, f"page-{scheme}-{width}.png"))
        text = browser.ask("document.body.innerText")
        assert "app" in text and "3D000" in text, text
        assert "<img src=x onerror=window.evil=1>" in text
        assert browser.ask("window.evil") is None
        # What says the same is one row.
        told = json.loads(get(weir, "/data.json", {
            "Authorization": "Bearer " + TOKEN})[2])["errors"]
        kinds = {(e["sqlstate"], e["database"], e["user"], e["text"],
                  e["reason"]) for e in told}
        rows = browser.ask("[...document.querySelectorAll('#errors tbody "
                           "tr')].map(r => r.innerText)")
        assert len(rows) == len(kinds) < len(told), (rows, told)
        assert any("(3 times)" in row for row in rows), rows
        assert not browser.faults(), browser.faults()
        own = f"http://127.0.0.1:{port_of(weir)}/"
        assert all(u.startswith(own) for u in browser.requested())
        weir.kill()
        wait_until("it says that pgweir is gone", lambda: "no answer" in
                   browser.ask("document.body.innerText"))
    finally:
        browser.close()
