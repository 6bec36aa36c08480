"""The protocol, through the pooler, message by message."""

import os
import struct
import subprocess

from cluster import BIN, psql_run
from wire import (Client, FLUSH, SYNC, bind, close, describe, error_of,
                  execute, fields, kinds, message, parse, query, startup)


def test_psql_sees_what_postgresql_sends(world):
    weir = world.start()
    assert weir.sql("select 1, 'a', null") == "1|a|"
    assert weir.sql(["begin", "select 2", "commit"]) == "2"


def test_several_statements_of_one_query_have_several_results(world):
    client = Client(world.start().port)
    answer = client.ask(query("select 1; select 2; select 3"))
    assert kinds(answer) == "TDCTDCTDCZ"


def test_a_message_may_be_split_at_every_byte(world):
    client = Client(world.start().port)
    batch = (parse("", "select $1::int + 1") + bind("", values=[41]) +
             describe("P") + execute() + SYNC)
    whole = kinds(client.ask(batch))
    assert whole == "12TDCZ"
    for at in range(1, len(batch)):
        client.send(batch[:at])
        client.send(batch[at:])
        assert kinds(client.until_ready()) == whole, at


def test_the_startup_packet_may_be_split_at_every_byte(world):
    weir = world.start()
    packet = startup(user="app", database="app", application_name="x")
    for at in range(1, len(packet), 3):
        client = Client(weir.port, connect=False)
        client.send(packet[:at])
        client.send(packet[at:])
        assert kinds(client.until_ready()).endswith("KZ")
        client.close()


def test_pipelines_are_answered_in_order(world):
    client = Client(world.start().port)
    client.send(*[parse("", f"select {n}") + bind("") + execute() + SYNC
                  for n in range(200)])
    for n in range(200):
        answer = client.until_ready()
        assert kinds(answer) == "12DCZ"
        assert answer[2][1].endswith(str(n).encode())


def test_an_error_in_a_batch_skips_up_to_sync(world):
    client = Client(world.start().port)
    answer = client.ask(
        parse("", "select 1 / (n - 1) from generate_series(1, 1) n") + bind("") + execute() +
        parse("", "select 1") + bind("") + execute() + SYNC)
    assert kinds(answer) == "12EZ"
    assert error_of(answer)["C"] == "22012"
    assert client.one("select 7") == "7"


def test_flush_keeps_the_server_until_sync(world):
    weir = world.start("default_pool_size = 1")
    client = Client(weir.port)
    client.send(parse("", "select $1::int") + describe("S") + FLUSH)
    assert [client.read()[0] for _ in range(3)] == ["1", "t", "T"]
    client.send(bind("", values=[5]) + execute() + SYNC)
    assert kinds(client.until_ready()) == "2DCZ"


def test_portals_with_row_limits_go_on_where_they_stopped(world):
    client = Client(world.start().port)
    client.ask(query("begin"))
    answer = client.ask(
        parse("", "select generate_series(1, 5)") + bind("", "p") +
        execute("p", 2) + execute("p", 2) + execute("p", 0) + SYNC)
    assert kinds(answer) == "12DDsDDsDCZ"
    client.ask(query("commit"))


def test_copy_goes_both_ways(world):
    weir = world.start()
    weir.sql("create table copied (a int, b text)")
    lines = "".join(f"{n}\tline {n}\n" for n in range(20000))
    done = psql_run("copy copied from stdin", input_text=lines,
                    port=weir.port, dbname="app", user="app")
    assert done.returncode == 0, done.stderr
    out = psql_run("copy copied to stdout", port=weir.port, dbname="app",
                   user="app")
    assert out.stdout == lines
    weir.sql("drop table copied")


def test_copy_data_after_a_failed_copy_is_ignored(world):
    client = Client(world.start("default_pool_size = 1").port)
    client.ask(query("create temp table t (a int)"))
    client.send(query("copy t from stdin"))
    assert client.read()[0] == "G"
    client.send(message("d", b"not a number\n"), message("c"))
    assert kinds(client.until_ready()) == "EZ"
    client.send(message("d", b"late\n"), message("c"))
    assert client.one("select 1") == "1"


def test_copy_works_through_the_extended_protocol(world):
    client = Client(world.start().port)
    client.ask(query("create temp table t (a int)"))
    client.send(parse("", "copy t from stdin") + bind("") + execute())
    client.send(message("d", b"1\n2\n"), message("c"), SYNC)
    assert kinds(client.until_ready()) == "12GCZ"
    assert client.one("select count(*) from t") == "2"


def test_a_function_call_is_answered(world):
    client = Client(world.start().port)
    oid = int(client.one("select 'int4pl'::regproc::oid"))
    body = struct.pack(">IHHHIIIIH", oid, 1, 1, 2, 4, 20, 4, 22, 1)
    answer = client.ask(message("F", body))
    assert kinds(answer) == "VZ"
    assert answer[0][1] == struct.pack(">II", 4, 42)


def test_a_message_of_100_mb_streams_through(world):
    weir = world.start()
    client = Client(weir.port)
    text = "select length('" + "x" * 100_000_000 + "')"
    assert client.one(text) == "100000000"
    assert len(client.one("select repeat('y', 50000000)")) == 50_000_000
    with open(f"/proc/{weir.process.pid}/status") as f:
        peak = [line for line in f if line.startswith("VmHWM")][0]
    if "asan" not in weir.text():
        assert int(peak.split()[1]) < 600_000, peak


def test_an_unknown_protocol_option_is_negotiated(world):
    client = Client(world.start().port, connect=False)
    packet = bytearray(startup(user="app", database="app", **{"_pq_.x": 1}))
    packet[6:8] = b"\0\2"
    client.send(bytes(packet))
    answer = client.until_ready()
    assert "v" in kinds(answer)
    assert b"_pq_.x" in dict(answer)["v"]


def test_gssenc_and_ssl_requests_are_answered(world):
    client = Client(world.start().port, connect=False)
    client.send(struct.pack(">II", 8, 80877104))
    assert client.socket.recv(1) == b"N"
    client.send(startup(user="app", database="app"))
    assert kinds(client.until_ready()).endswith("Z")


def test_bytes_in_the_clear_behind_an_ssl_request_end_it(world):
    client = Client(world.start().port, connect=False)
    client.send(struct.pack(">II", 8, 80877103) +
                startup(user="app", database="app"))
    assert client.socket.recv(100) in (b"", b"S")
    assert client.read() is None


def test_impossible_lengths_are_refused_and_nobody_else_notices(world):
    weir = world.start()
    other = Client(weir.port)
    for length in (0, 3, 0x7fffffff, 0xffffffff):
        client = Client(weir.port)
        client.send(b"Q" + struct.pack(">I", length))
        answer = client.until_ready()
        assert error_of(answer)["C"] == "08P01", length
    for length in (0, 3, 7, 0x7fffffff, 0xffffffff):
        client = Client(weir.port, connect=False)
        client.send(struct.pack(">I", length) + b"\0\3\0\0")
        client.until_ready()
    assert other.one("select 1") == "1"


def test_an_unknown_message_is_refused_with_08P01(world):
    client = Client(world.start().port)
    answer = client.ask(message("!", b"what"))
    assert error_of(answer)["C"] == "08P01"
    assert client.read() is None


def test_a_terminated_server_is_an_error_and_the_client_stays(world):
    client = Client(world.start().port)
    answer = client.ask(query("select pg_terminate_backend(pg_backend_pid())"))
    assert kinds(answer).endswith("EZ")
    assert error_of(answer)["S"] == "ERROR"
    assert client.one("select 1") == "1"


def test_pgbench_runs_in_all_modes(world):
    script = os.path.join(world.top, "select.sql")
    with open(script, "w") as f:
        f.write("select 1\n")
    for pool_mode in ("transaction", "session"):
        weir = world.start(f"pool_mode = {pool_mode}\n"
                           "default_pool_size = 10")
        for mode in ("simple", "extended", "prepared"):
            done = subprocess.run(
                [f"{BIN}/pgbench", "-n", "-f", script, "-M", mode, "-c",
                 "8", "-t", "200", "-h", "127.0.0.1", "-p", str(weir.port),
                 "-U", "app", "app"], capture_output=True, text=True,
                timeout=100, env={**os.environ, "PGSSLMODE": "disable"})
            assert "1600/1600" in done.stdout, done.stdout + done.stderr


def test_pg_dump_and_pg_restore_run_through_it(world):
    dump = os.path.join(world.top, "dump")
    for pool_mode in ("transaction", "session"):
        weir = world.start(f"pool_mode = {pool_mode}")
        weir.sql("drop schema if exists d cascade; create schema d;"
                 "create table d.t as select generate_series(1, 1000) n")
        env = {**os.environ, "PGSSLMODE": "disable"}
        where = ["-h", "127.0.0.1", "-p", str(weir.port), "-U", "app"]
        subprocess.run([f"{BIN}/pg_dump", *where, "-Fc", "-n", "d", "-f",
                        dump, "app"], check=True, env=env, timeout=100)
        weir.sql("drop schema d cascade")
        subprocess.run([f"{BIN}/pg_restore", *where, "-d", "app", dump],
                       check=True, env=env, timeout=100)
        assert weir.sql("select count(*) from d.t") == "1000"
    os.unlink(dump)


def test_ipv6_and_unix_sockets_work_in_front_and_behind(world):
    weir = world.start(
        f"unix_socket_dir = {world.top}\nlisten_addr = ::1, 127.0.0.1",
        host=world.top)
    assert weir.sql("select 1", host="::1") == "1"
    assert weir.sql("select 1", host=world.top) == "1"
    weir = world.start(host="::1")
    assert weir.sql("select 1") == "1"


def test_notices_and_notifications_reach_the_client(world):
    client = Client(world.start().port)
    answer = client.ask(query("do $$ begin raise notice 'hello'; end $$"))
    assert kinds(answer) == "NCZ"
    assert fields(answer[0][1])["M"] == "hello"
    client.ask(query("listen n"))
    assert "A" in kinds(client.ask(query("notify n, 'x'")))


def test_closing_an_unknown_statement_is_no_error(world):
    client = Client(world.start().port)
    assert kinds(client.ask(close("S", "nobody"), SYNC)) == "3Z"
    assert kinds(client.ask(SYNC)) == "Z"
