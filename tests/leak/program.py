"""Random programs, see player.py for what an event is.

A Writer makes the next event of a client from dice of the client's own and
from what PostgreSQL said last (the state of the transaction).  Names are few
and the same for all clients, so that what leaks from one to another is seen;
tables and schemas are a client's own where two would disturb each other.

What is left out on purpose, because pgweir says that it is different:
currval outside of the transaction that drew, EXECUTE of
a statement that was named in the protocol, RESET of a setting from the startup
packet before other statements of a query, Describe of an older statement where
the open transaction has another search_path, names closed or given in a batch
that fails when the next one is on its way already, a backslash in a statement
that may outlive a change of standard_conforming_strings, temp_buffers after
somebody's temporary table, a role in the startup packet.  Rows have an order, since
that in which a table lies differs between two databases.
"""

# Name: values.  The last ones are refused by PostgreSQL.
SETTINGS = {
    "timezone": ["UTC", "Asia/Tokyo", "Europe/Berlin", "America/Lima",
                 "Nowhere/Land"],
    "datestyle": ["ISO, DMY", "German", "SQL, MDY", "ISO", "Klingon"],
    "intervalstyle": ["iso_8601", "postgres_verbose", "sql_standard", "slow"],
    "search_path": ["public", "own", "own, public", "\"$user\", public",
                    "pg_catalog, own", "\"o, w\", public", "", "nosuch"],
    "statement_timeout": ["61s", "120000", "0", "-7"],
    "lock_timeout": ["62s", "0", "x"],
    "idle_in_transaction_session_timeout": ["63s", "0"],
    "application_name": ["one", "two words", "it's \"odd\" \\ ", ""],
    "extra_float_digits": ["0", "3", "-15", "99"],
    "bytea_output": ["hex", "escape", "none"],
    "standard_conforming_strings": ["on", "off"],
    "work_mem": ["8MB", "5000", "1TB1"],
    "default_transaction_isolation": ["repeatable read", "read committed"],
    "default_transaction_read_only": ["on", "off"],
    "default_transaction_deferrable": ["on", "off"],
    "client_encoding": ["UTF8", "LATIN1", "SQL_ASCII", "martian"],
    "enable_seqscan": ["on", "off", "perhaps"],
    "plan_cache_mode": ["force_generic_plan", "force_custom_plan", "auto"],
    "client_min_messages": ["warning", "notice", "error"],
    "array_nulls": ["on", "off"],
    "backslash_quote": ["on", "off", "safe_encoding"],
    "escape_string_warning": ["on", "off"],
    "quote_all_identifiers": ["on", "off"],
    "row_security": ["on", "off"],
    "synchronous_commit": ["off", "on"],
    "transform_null_equals": ["on", "off"],
    "xmlbinary": ["base64", "hex"],
    "default_text_search_config": ["pg_catalog.german", "pg_catalog.simple"],
    "geqo_seed": ["0.5", "0.25"],
    "check_function_bodies": ["on", "off"],
    "vacuum_cost_delay": ["2", "0.5"],
    "default_tablespace": ["", "pg_default"],
    "debug_print_plan": ["off"],
    "nosuch": ["x"],
    "port": ["1"],
    "fsync": ["on"],
}
CUSTOM = ("app.tenant", "app.x", "\"App\".y")
ROLES = ("r_reader", "r_writer", "none", "r_nobody")

# A name that was quoted when it was set (quote_all_identifiers) may be told
# to another server when that is off.
PROBE = """select array(select name || '=' || value
    from pg_catalog.pg_settings,
    lateral (select case name when 'default_text_search_config'
    then replace(setting, '"', '') else setting end) as own (value)
    where context in ('user', 'superuser')
    and value is distinct from boot_val
    order by name),
    current_user, session_user,
    array(select coalesce(pg_catalog.current_setting(n, true), '-')
    from unnest('{app.tenant,app.x,App.y,role}'::text[]) n),
    array(select concat(classid, ' ', objid, ' ', mode)
    from pg_catalog.pg_locks where locktype = 'advisory'
    and pid = pg_catalog.pg_backend_pid() order by 1),
    array(select relname::text from pg_catalog.pg_class
    where relnamespace = pg_catalog.pg_my_temp_schema()
    and relkind in ('r', 'S', 'v') order by 1),
    array(select name from pg_catalog.pg_prepared_statements
    where from_sql order by 1),
    array(select name from pg_catalog.pg_cursors where is_holdable
    order by 1)""".replace("\n    ", " ")

STATEMENTS = (
    "select 1", "select 'a\\b', '\u00e9'", "table t order by v", "select count(*) from t",
    "select current_setting('timezone')", "show search_path",
    "select current_user, session_user", "select current_schemas(false)",
    "select '2001-02-03 04:05:06+00'::timestamptz",
    "select '\\001\\377'::bytea", "select 1.1::float8 / 3",
    "select interval '1 day 2 hours'", "select n from generate_series(1,3) n",
    "select 1/0", "selec", "select * from nosuch", "", "select",
    "select v from d order by v", "insert into t values ('new')", "update t set v = v || '+'",
    "delete from t where v like 'new%'", "insert into t values (1/0)",
    "insert into t select 'many' from generate_series(1,5) returning v",
    "lock table t in access share mode", "show transaction_isolation",
    "show transaction_read_only", 
    "copy (table t order by v) to stdout", "copy (select 1, 2) to stdout",
    "explain (costs off) select * from t", "values (1, null), (2, 'x')",
    "select repeat('x', 40000)", "select set_config('role', 'none', true)",
    "select * from tt", "select txid_current_if_assigned() is null",
    "select to_char(1234.5, 'L9G999D9')", "select xmlelement(name a, 'b')",
    "select * from pg_temp.tt", "checkpoint nonsense",
    "/* a comment */ select /* in /* nested */ */ 2 -- end",
    "select $$dollar; begin$$", "select 'begin; set timezone = ''x'''",
    "set constraints all deferred", "explain analyze selec",
    "select pg_notify('nobody', '')", "analyze t",
)
PARAMETRIC = (
    ("select $1::int + 1", ["41"]), ("select $1::text", ["it's"]),
    ("select v from t where v like $1 order by v", ["o%"]),
    ("insert into t values ($1)", ["new"]),
    ("select $1::int / $2::int", ["4", "0"]),
    ("select $1::int / $2::int", ["4", "2"]),
    ("select set_config('timezone', $1, false)", ["Asia/Tokyo"]),
    ("select set_config('datestyle', $1, true)", ["German"]),
    ("select set_config('search_path', $1, false)", ["pg_catalog, public"]),
    ("select $1", [None]), ("select $1::int", ["x"]),
    ("select current_setting($1)", ["intervalstyle"]),
    ("select now() - now() + $1::interval", ["3 days"]),
    ("insert into d values ($1)", ["3"]),
    ("select v from d where v > $1 order by v", ["0"]),
)


class Writer:
    def __init__(self, client, dice, draws=False):
        self.client, self.dice = client, dice
        self.own = f"c{client}"
        self.is_in = False
        self.kinds = self.weigh([
            (8, self.set), (4, self.reset), (4, self.set_config),
            (14, self.plain), (12, self.probe), (14, self.batch),
            (6, self.several), (9, self.transaction), (4, self.who),
            (2, self.temporary), (2, self.lock), (2, self.listen),
            (2, self.cursor), (2, self.sql_prepare), (3, self.deallocate),
            (3, self.copy_in), (2, self.custom), (1, self.discard),
            (1, self.bound_config),
            (1, self.do), (1, self.cancel), (1, self.long), (1, self.halves),
            (3, self.leave), (2, self.pipeline), (2, self.unnamed),
            (1, self.large_result), (2, self.changes), (2, self.function),
            (2 * draws, self.sequence), (2, self.shared_channel)])

    @staticmethod
    def weigh(table):
        return [kind for weight, kind in table for _ in range(weight)]

    # What a client begins with.

    def login(self):
        self.is_in = True
        self.has_probe = self.moved = False
        self.steps = self.dice.randrange(5, 60)
        self.tied_for = 0
        self.is_drawing = self.dice.random() < 0.5
        found = {}
        for name in self.dice.sample(
                ["timezone", "datestyle", "search_path", "application_name",
                 "statement_timeout", "extra_float_digits", "client_encoding",
                 "intervalstyle", "bytea_output", "work_mem"],
                self.dice.choice((0, 0, 1, 2, 4))):
            found[name] = self.dice.choice(SETTINGS[name][:2])
        if self.dice.random() < 0.3:
            found = self.startup_options(found)
        if "search_path" not in found and "options" not in found and \
                self.dice.random() < 0.9:
            found["search_path"] = self.own + ", public"
        for name in found:
            found[name] = found[name].replace("own", self.own)
        return [["login", found]]

    def startup_options(self, found):
        """Some go into options: what stands in both pgweir decides otherwise.
        """
        told = self.dice.sample(list(found), self.dice.randrange(
            len(found) + 1))
        words = [(name, found.pop(name)) for name in told]
        words += self.dice.sample([
            ("enable_seqscan", "off"), ("geqo", "off"),
            ("array_nulls", "off"), ("lock_timeout", "64s"),
            ("app.tenant", "started"), ("row_security", "off")],
            self.dice.choice((0, 1, 1, 2)))
        if self.dice.random() < 0.1:
            words.append(self.dice.choice((
                ("xmlbinary", "perhaps"), ("nosuch", "1"), ("port", "7"))))
        if "search_path" not in found and self.dice.random() < 0.5:
            words.append(("search_path", self.dice.choice((
                "own, public", "own", "\"$user\", own", "\"o, w\", public"))))
        found["options"] = self.dice.choice((" ", "  ")).join(
            self.startup_word(*word) for word in dict(words).items())
        return found

    def startup_word(self, name, value):
        value = value.replace("\\", "\\\\").replace(" ", "\\ ")
        if self.dice.random() < 0.1:
            value = value.replace("o", "\\o")
        return self.dice.choice((
            f"-c {name}={value}", f"-c{name}={value}",
            f"--{name.replace('_', '-')}={value}", f"--{name}={value}"))

    def next(self, status, is_tied):
        """The next event's ops; status is PostgreSQL's of this client."""
        if not self.is_in:
            return self.login()
        self.status = status
        if status == "I":
            self.moved = False
        self.steps -= 1
        self.tied_for = self.tied_for + 1 if is_tied else 0
        if self.steps <= 0 or self.tied_for > 12:
            return self.leave(True)
        if status != "I" and self.dice.random() < 0.22:
            return self.transaction()
        ops = self.dice.choice(self.kinds)()
        self.note_path(ops)
        return ops

    def leave(self, surely=False):
        if not surely and self.dice.random() < 0.7:
            return self.plain()
        self.is_in = False
        if self.dice.random() < 0.5:
            return [["leave"]]
        harmless = [op for text in (
            "set timezone = 'Asia/Kabul'", "begin", "select 1",
            "set session authorization r_reader",
            "create temp table tt (a int)", "select 1/0",
            f"select pg_advisory_lock({self.client}, 9)",
            "set app.tenant = 'left'", "select repeat('x', 200000)",
            "select pg_sleep(0.1)", "listen everybody", "copy t from stdin",
            "prepare q0 as select 1", "select public.keeps_temp()",
            "declare c0 cursor with hold for select 1",
            f"select public.keeps_lock({self.client}, 9)")
            if self.dice.random() < 0.15 for op in [["Q", text]]]
        if self.dice.random() < 0.3:
            harmless += [["P", "", self.dice.choice((
                "select 1", "select repeat('z', 100000)", "select 1/0",
                self.set_text()))], ["B", "", "", []], ["E", "", 0]]
            harmless += self.dice.choice(([], [["H"]], [["S"]]))
        return harmless + [["vanish"]]

    # Single statements.

    def value(self):
        name = self.dice.choice(list(SETTINGS))
        value = self.dice.choice(SETTINGS[name])
        return name, value.replace("own", self.own)

    @staticmethod
    def quoted(value):
        return "'" + value.replace("'", "''") + "'"

    def set_text(self):
        name, value = self.value()
        where = self.dice.choice(("", "", "", "session ", "local "))
        if name == "search_path" and value:
            return f"set {where}search_path = {value}"
        if self.dice.random() < 0.1:
            return f"set {where}{name} to default"
        return self.dice.choice((
            f"set {where}{name} = E{self.quoted(value.replace(chr(92), chr(92) * 2))}",
            f"SET {where}{name.upper()} TO "
            f"E{self.quoted(value.replace(chr(92), chr(92) * 2))}"))

    def odd_set_text(self):
        return self.dice.choice((
            "set time zone 'America/Lima'", "set time zone local",
            "set time zone interval '2' hour to minute", "set names 'LATIN1'",
            f"set schema '{self.own}'", "set time zone -3",
            "set session characteristics as transaction read only",
            "set session characteristics as transaction isolation level "
            "repeatable read, read write",
            "set transaction isolation level repeatable read",
            "set transaction read only",
            "update pg_catalog.pg_settings set setting = 'German' "
            "where name = 'DateStyle'", "set local role r_reader"))

    def set(self):
        return self.say(self.set_text() if self.dice.random() < 0.8
                        else self.odd_set_text())

    def reset_text(self):
        return self.dice.choice((
            f"reset {self.value()[0]}", f"reset {self.value()[0]}",
            "reset all", f"set {self.value()[0]} to default"))

    def reset(self):
        return self.say(self.reset_text())

    def set_config(self):
        name, value = self.value()
        name = self.quoted(name)
        value = "E" + self.quoted(value.replace("\\", "\\\\"))
        local = self.dice.choice(("false", "true"))
        return self.say(self.dice.choice((
            f"select set_config({name}, {value}, {local})",
            f"select pg_catalog.set_config({name}, {value}, {local}), 2",
            f"with a as (select set_config({name}, {value}, {local})) "
            "select * from a",
            f"select set_config({name}, {value}, {local}) from "
            "generate_series(1, 0)")))

    def bound_config(self):
        name, value = self.dice.choice((
            self.value(), ("app.x", "bound"), ("app.tenant", "bound")))
        return [["P", "", "select set_config($1, $2, $3)"],
                ["B", "", "", [name, value, self.dice.choice("ft")]],
                ["E", "", 0], ["S"]]

    def plain(self):
        return self.say(self.dice.choice(STATEMENTS))

    def who(self):
        role = self.dice.choice(ROLES)
        return self.say(self.dice.choice((
            f"set role {role}", f"set local role {role}", "reset role",
            f"set session role {role}",
            "set session authorization r_reader",
            "set session authorization default",
            "set local session authorization r_writer",
            "reset session authorization",
            f"select set_config('role', '{role}', false)")
            if self.status == "I" else (
            f"set role {role}", f"set local role {role}",
            "set local session authorization r_writer",
            "set session authorization r_reader")))

    def say(self, text):
        """In a simple query, or as a batch of its own."""
        if self.dice.random() < 0.7:
            return [["Q", text]]
        name = self.dice.choice(("", "b0"))
        ops = [["P", name, text]]
        if name:
            ops.insert(0, ["C", "S", name])
        if self.dice.random() < 0.3:
            ops.append(["D", "S", name])
        return ops + [["B", "", name, []], ["E", "", 0], ["S"]]

    def several(self):
        found, is_open = [], self.status != "I"
        for _ in range(self.dice.randrange(2, 5)):
            kind = self.dice.random()
            if kind < 0.3:
                text = self.set_text()
                found.append(text if "to default" not in text else "select 4")
            elif kind < 0.55:
                found.append(self.dice.choice((
                    "begin", "commit", "rollback", "commit and chain",
                    "savepoint a", "rollback to a", "release a")))
                is_open = True
            else:
                text = self.dice.choice(STATEMENTS)
                found.append("select 3" if "--" in text or
                             text.startswith("copy") else text)
        if not is_open and self.dice.random() < 0.3:
            found.append(self.reset_text())
        return [["Q", self.dice.choice(("; ", ";", " ; ")).join(found)]]

    def transaction_text(self):
        if self.status == "I":
            return self.dice.choice((
                "begin", "begin", "begin", "start transaction",
                "begin isolation level repeatable read",
                "begin read only", "BEGIN; set local timezone = 'UTC'",
                "commit", "rollback", "savepoint a", "commit and chain",
                "prepare transaction 'no'"))
        return self.dice.choice((
            "commit", "commit", "end", "rollback", "abort",
            "commit and chain", "rollback and chain", "savepoint a",
            "prepare transaction 'no'" if self.status == "T" else "abort",
            "savepoint b", "savepoint a", "rollback to a",
            "rollback to savepoint b", "release a", "begin"))

    def transaction(self):
        return self.say(self.transaction_text())

    def probe(self):
        """What the client can see of its session."""
        if self.status == "E":
            return self.transaction()
        ops = [["B", "", "probe", []], ["D", "P", ""], ["E", "", 0], ["S"]]
        if not self.has_probe:
            ops.insert(0, ["P", "probe", "<probe>"])
            self.has_probe = True
        return ops

    # What keeps a server.

    def temporary(self):
        return self.say(self.dice.choice((
            "create temp table tt (a int)", "drop table if exists pg_temp.tt",
            "create temporary table tt as select 1 as a",
            "create temp table tt (a int) on commit drop",
            "create temp table tt (a int) on commit delete rows",
            "select 7 as a into temp tt", "insert into pg_temp.tt values (1)",
            "create temp sequence ts", "create temp view tv as select 1",
            "create table pg_temp.tt3 (b text)", "discard temp",
            "load 'plpgsql'",
            "select public.keeps_temp()")))

    def lock(self):
        one = f"{self.client}, {self.dice.randrange(3)}"
        return self.say(self.dice.choice((
            f"select pg_advisory_lock({one})",
            f"select pg_advisory_unlock({one})",
            f"select pg_try_advisory_lock({one})",
            f"select pg_advisory_lock_shared({one})",
            f"select public.keeps_lock({one})",
            f"select pg_advisory_xact_lock({one})",
            "select pg_advisory_unlock_all()",
            f"select pg_try_advisory_xact_lock_shared({one})")))

    def listen(self):
        channel = f"c{self.client}"
        return self.say(self.dice.choice((
            f"listen {channel}", f"notify {channel}, 'said'",
            f"unlisten {channel}", "unlisten *",
            f"select pg_notify('{channel}', 'computed')")))

    def shared_channel(self):
        """Several clients' channel; see Player.play_round()."""
        return self.say(self.dice.choice((
            "listen everybody", "listen everybody", "notify everybody",
            f"notify everybody, 'of {self.client}'", "unlisten everybody",
            f"select pg_notify('everybody', 'by {self.client}')",
            "notify everybody, 'one'; notify everybody, 'two'")))

    def function(self):
        """What does something inside that its name does not say."""
        name, value = self.value()
        value = "E" + self.quoted(value.replace("\\", "\\\\"))
        local = self.dice.choice(("false", "true"))
        return self.say(self.dice.choice((
            f"select public.sets('{name}', {value}, {local})",
            f"select public.sets('app.x', 'inside', {local})",
            "select public.sets_zone()",
            f"call public.sets_and_ends('{self.dice.choice(('German', 'x'))}')"
        )))

    def changes(self):
        """DDL under prepared statements; what they return keeps its shape."""
        return self.say(self.dice.choice((
            f"alter table {self.own}.d add column if not exists w int",
            f"alter table {self.own}.d drop column if exists w",
            f"drop table if exists {self.own}.d",
            f"create table if not exists {self.own}.d (v int)",
            f"create index on {self.own}.d (v)", f"truncate {self.own}.d",
            "select v from d order by v", "insert into d values (2)",
            f"alter table {self.own}.d alter column v set default 7",
            "insert into d default values returning v")))

    def sequence(self):
        """What was drawn is asked for where it is drawn, or by one who has
        asked before he drew and keeps a server."""
        own = f"{self.own}.n_id_seq"
        draw, ask = self.dice.choice((
            (f"select nextval('{own}')", "select lastval()"),
            (f"select setval('{own}', 70)", f"select currval('{own}')"),
            (f"insert into {self.own}.n (v) values (1) returning id",
             f"select currval('{own}'), lastval()")))
        if not self.is_drawing:
            return [["Q", f"begin; {draw}; {ask}; commit"]]
        return [["Q", "select lastval()"], ["Q", draw], ["Q", ask]]

    def cursor(self):
        name = self.dice.choice(("c0", "c1"))
        return self.say(self.dice.choice((
            f"declare {name} cursor for select generate_series(1, 9)",
            f"declare {name} cursor with hold for "
            "select generate_series(1, 9)",
            f"fetch 2 from {name}", f"move 1 in {name}", f"close {name}",
            "close all", f"fetch all from {name}")))

    def sql_prepare(self):
        name = self.dice.choice(("q0", "q1"))
        return self.say(self.dice.choice((
            f"prepare {name} as select 1", f"execute {name}",
            f"prepare {name} as table t order by v", f"deallocate prepare {name}",
            f"prepare {name}(int) as select $1 + 1", f"execute {name}(4)")))

    def custom(self):
        name = self.dice.choice(CUSTOM)
        return self.say(self.dice.choice((
            f"set {name} = 'mine'", f"set local {name} = 'ours'",
            "select set_config('app.tenant', 'theirs', true)",
            f"reset {name}", f"show {name}", "select set_config('app.x', 'mine', false)",
            "select current_setting('app.x', true)")))

    def do(self):
        name, value = self.value()
        inner = self.dice.choice((
            f"perform set_config('{name}', E{self.quoted(value)}, false)",
            f"execute 'set {name} to default'", "perform 1/0",
            "create temp table tt (a int)", "raise notice 'said'",
            "set local timezone = 'UTC'; commit; set datestyle = 'German'",
            f"perform pg_advisory_lock({self.client}, 1)"))
        return self.say(f"do $$ begin {inner}; end $$"
                        if "\\" not in inner else "do $$ begin end $$")

    def discard(self):
        return self.say(self.dice.choice((
            "discard all", "discard all", "discard plans", "discard sequences",
            "discard temp")))

    def deallocate(self):
        return self.say(self.dice.choice((
            "deallocate s0", "deallocate s1", "deallocate all",
            "deallocate nosuch", "deallocate prepare s2",
            "deallocate prepare all")))

    # The extended protocol.

    def batch_op(self):
        name = self.dice.choice(("s0", "s1", "s2", ""))
        portal = self.dice.choice(("", "", "", "p"))
        kind = self.dice.random()
        if kind < 0.35:
            text, values = self.statement()
            known = self.dice.choice((name, name, name, "nosuch"))
            ops = [["P", name, text]]
            if self.dice.random() < 0.5:
                ops.insert(0, ["C", "S", name])
            if self.dice.random() < 0.8:
                ops += [["B", portal, known, values], ["E", portal, 0]]
            return ops
        if kind < 0.6:
            return [["B", portal, name, []],
                    ["E", portal, self.dice.choice((0, 0, 1))]]
        if kind < 0.7:
            return [["D", "S", name]] if not self.moved else []
        if kind < 0.76:
            return [["B", portal, name, []], ["D", "P", portal],
                    ["E", portal, 1], ["E", portal, 0]]
        if kind < 0.84:
            return [["C", "S", name]]
        if kind < 0.88:
            return [["C", "P", portal], ["E", portal, 0]]
        if kind < 0.92:
            return [["H"]]
        if kind < 0.94:
            return [["B", portal, name, ["1"]], ["E", portal, 0]]
        text, values = self.statement()
        return [["P", "", text], ["D", "S", ""], ["B", portal, "", values],
                ["D", "P", portal], ["E", portal, 0]]

    def statement(self):
        kind = self.dice.random()
        if kind < 0.4:
            return self.dice.choice(PARAMETRIC)
        if kind < 0.5:
            return self.set_text(), []
        return self.dice.choice([s for s in STATEMENTS if "\\" not in s
                                 and not s.startswith("copy")]), []

    def batch(self):
        ops = []
        for _ in range(self.dice.randrange(1, 5)):
            ops += self.batch_op()
            self.note_path(ops)
        return ops + [["S"]]

    def note_path(self, ops):
        """Describe shows a statement as it was prepared; pgweir may prepare
        it anew where the open transaction has another search_path."""
        self.moved |= any("search_path" in str(op) or "schema" in str(op)
                          for op in ops)

    def pipeline(self):
        """What follows is read before it is known what became of the first.
        """
        ops = self.batch()
        for _ in range(self.dice.randrange(1, 4)):
            more = self.dice.choice((
                self.plain, self.set, self.transaction, self.probe,
                self.batch, self.deallocate, self.discard, self.reset,
                self.cursor, self.sql_prepare, self.several))()
            ops = more + ops if self.dice.random() < 0.5 else ops + more
        return ops

    def unnamed(self):
        return [["B", "", "", []], ["E", "", 0], ["S"]]

    def halves(self):
        """A Flush, whose answers are read before the client goes on."""
        text = self.dice.choice(("select 1", "table t order by v", "select 1/0",
                                 self.set_text()))
        return [["P", "", text], ["B", "", "", []], ["E", "", 0], ["H"],
                ["wait"], *self.batch()]

    # Special ones.

    def copy_in(self):
        kind = self.dice.random()
        start = [["Q", "copy t from stdin"]]
        if kind < 0.4:
            return start + [["d", "new\nnew\n"], ["c"]]
        if kind < 0.55:
            return start + [["d", "new\n"], ["f", "no more"]]
        if kind < 0.7:
            return start + [["d", "a\tb\n"], ["c"]]
        if kind < 0.8:
            return [["Q", "copy nosuch from stdin"], ["d", "new\n"], ["c"]]
        text = self.dice.choice(("copy t from stdin", "copy t from stdin",
                                 "copy nosuch from stdin"))
        return [["C", "S", "copy"], ["P", "copy", text],
                ["B", "", "copy", []], ["E", "", 0],
                ["d", "new\n"], self.dice.choice((["c"], ["f", "no"])),
                ["S"]]

    def cancel(self):
        if self.status == "E":
            return self.transaction()
        return [["Q", self.dice.choice((
            "select public.say_and_wait()",
            "select 1; select public.say_and_wait()",
            "set timezone = 'UTC'; select public.say_and_wait()"))],
            ["hear"], ["cancel"]]

    def long(self):
        filler = f"<{self.dice.choice((3000, 9000, 70000, 300000))}>"
        return self.say(self.dice.choice((
            f"select length('{filler}')",
            f"/* {filler} */ set timezone = 'Europe/Berlin'",
            f"select length('{filler}'); set datestyle = 'German'",
            f"select '{filler}' as a, 1/0")))

    def large_result(self):
        return self.say("select n, repeat('y', 90) from "
                        f"generate_series(1, {self.dice.choice((500, 9000))})"
                        " n")
