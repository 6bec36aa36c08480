// The story in pgx's idiom: statements described once and kept under names
// (or only described, STORY_MODE), binary values, batches, COPY in binary,
// pgxpool, and database/sql in front of it.  A parameter of the URL that it
// does not know goes into the startup packet.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	_ "github.com/jackc/pgx/v4/stdlib"
)

var (
	url   = os.Getenv("DATABASE_URL")
	mode  = os.Getenv("STORY_MODE")
	every = context.Background()
)

func tell(subject string, what ...interface{}) {
	fmt.Print(subject, ":")
	for _, one := range what {
		fmt.Printf(" %v", one)
	}
	fmt.Println()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func code(err error) string {
	var said *pgconn.PgError
	if err == nil {
		return "no error"
	}
	if errors.As(err, &said) {
		return said.Code
	}
	return err.Error()
}

func with(parameters string) string {
	if mode == "describe" {
		if parameters == "" {
			return url + "?statement_cache_mode=describe"
		}
		return url + parameters + "&statement_cache_mode=describe"
	}
	return url + parameters
}

func connect(parameters string) *pgx.Conn {
	conn, err := pgx.Connect(every, with(parameters))
	must(err)
	return conn
}

type querier interface {
	QueryRow(context.Context, string, ...interface{}) pgx.Row
}

func one(conn querier, text string, values ...interface{}) interface{} {
	var seen interface{}
	if err := conn.QueryRow(every, text, values...).Scan(&seen); err != nil {
		return code(err)
	}
	return seen
}

func urls() {
	for number, parameters := range []string{
		"?sslmode=require&search_path=naytife_schema",
		"?options=-c%20search_path%3Dother_schema" +
			"%20-c%20statement_timeout%3D5s&sslmode=disable",
		"?application_name=x&connect_timeout=5" +
			"&target_session_attrs=read-write",
		"?target_session_attrs=prefer-standby",
		"?sslmode=verify-full&sslrootcert=" + os.Getenv("STORY_CA"),
		"?statement_cache_capacity=0&search_path=other_schema",
		"?default_transaction_read_only=on&extra_float_digits=0" +
			"&timezone=Asia/Tokyo&search_path=a,public",
		"?target_session_attrs=read-write&connect_timeout=6",
		"?nosuch=1",
	} {
		at := url
		if strings.Contains(parameters, "timeout=6") {
			// Nobody listens at the first of two hosts.
			at = strings.Replace(url, "@127.0.0.1:",
				"@127.0.0.1:1,127.0.0.1:", 1)
		}
		conn, err := pgx.Connect(every, at+parameters)
		if err != nil {
			tell(fmt.Sprint("url ", number), code(err))
			continue
		}
		for i := 0; i < 2; i++ {
			tell(fmt.Sprint("url ", number), one(conn, "show search_path"),
				one(conn, "show statement_timeout"),
				one(conn, "show application_name"),
				one(conn, "show timezone"),
				one(conn, "select name from product where id = $1", 1))
		}
		tell(fmt.Sprint("url ", number),
			conn.PgConn().ParameterStatus("TimeZone"))
		must(conn.Close(every))
	}
}

func types() {
	conn := connect("")
	defer conn.Close(every)
	for _, pair := range []struct {
		kind  string
		value interface{}
	}{
		{"bool", true}, {"int4", 7}, {"int8", int64(1) << 40},
		{"float8", 1.5}, {"text", "ü ' \\"}, {"bytea", []byte{0, 255}},
		{"numeric", 12}, {"date", time.Unix(0, 0).UTC()},
		{"timestamptz", time.Unix(0, 0).UTC()},
		{"int4[]", []int32{1, 2}}, {"text[]", []string{"a", "b\""}},
		{"jsonb", map[string]int{"a": 1}}, {"text", nil},
		{"mood", "happy"}, {"interval", time.Hour},
	} {
		var seen string
		err := conn.QueryRow(every, "select ($1::"+pair.kind+")::text",
			pair.value).Scan(&seen)
		var raw interface{}
		again := conn.QueryRow(every, "select $1::"+pair.kind,
			pair.value).Scan(&raw)
		tell("types", pair.kind, seen, code(err), code(again))
	}
}

func prepared() {
	conn := connect("")
	defer conn.Close(every)
	for _, path := range []string{"naytife_schema", "other_schema"} {
		_, err := conn.Exec(every, "set search_path = "+path)
		must(err)
		for i := 0; i < 3; i++ {
			tell("prepared", one(conn,
				"select name from product where id = $1", 1))
		}
	}
	_, err := conn.Exec(every, "reset search_path")
	must(err)
	_, err = conn.Prepare(every, "mine", "select $1::int + 1")
	must(err)
	tell("prepared", one(conn, "mine", 1), one(conn, "mine", 2))
	_, err = conn.Prepare(every, "bad", "select nosuch")
	tell("prepared", code(err), one(conn, "select 'after'"))
	must(conn.Deallocate(every, "mine"))
	_, err = conn.Prepare(every, "mine", "select 'again'")
	tell("prepared", code(err), one(conn, "mine"))
	for i := 0; i < 600; i++ {
		one(conn, fmt.Sprintf("select %d + $1::int", i), i)
	}
	tell("prepared", one(conn, "select 1", pgx.QuerySimpleProtocol(true)))
	columns(conn)
	_, err = conn.Exec(every, "alter table changing add b text default 'b'")
	must(err)
	// Known to fail once, or prepared again.
	seen := columns(conn)
	tell("prepared", seen == "0A000" || seen == "[1 b]", columns(conn))
}

func columns(conn *pgx.Conn) string {
	rows, err := conn.Query(every, "select * from changing where a = $1", 1)
	if err != nil {
		return code(err)
	}
	defer rows.Close()
	seen := ""
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return code(err)
		}
		seen += fmt.Sprint(values)
	}
	if rows.Err() != nil {
		return code(rows.Err())
	}
	return seen
}

func batches() {
	conn := connect("")
	defer conn.Close(every)
	batch := &pgx.Batch{}
	for i := 0; i < 20; i++ {
		batch.Queue("select $1::int", i)
	}
	batch.Queue("insert into account values ($1, 1)", 100)
	sent := conn.SendBatch(every, batch)
	sum := int32(0)
	for i := 0; i < 20; i++ {
		var n int32
		must(sent.QueryRow().Scan(&n))
		sum += n
	}
	_, err := sent.Exec()
	tell("batch", sum, code(err), code(sent.Close()))
	batch = &pgx.Batch{}
	batch.Queue("insert into account values ($1, 1)", 101)
	batch.Queue("select 1 / $1::int", 0)
	batch.Queue("select 'never'")
	sent = conn.SendBatch(every, batch)
	_, first := sent.Exec()
	_, second := sent.Exec()
	tell("batch", code(first), code(second), code(sent.Close()))
	tell("batch", one(conn, "select count(*) from account"))
	results, err := conn.PgConn().Exec(every, "select 1; select 'two'; "+
		"update account set balance = balance").ReadAll()
	tell("batch", len(results), code(err), string(results[2].CommandTag))
}

func transactions() {
	conn := connect("")
	defer conn.Close(every)
	_, err := conn.Exec(every, "insert into account values (200, 1)")
	must(err)
	must(conn.BeginFunc(every, func(tx pgx.Tx) error {
		_, err := tx.Exec(every, "declare c cursor for select "+
			"generate_series(1, $1::int)", 30)
		tell("cursor", code(err))
		for i := 0; i < 2; i++ {
			rows, err := tx.Query(every, "fetch 2 from c")
			must(err)
			for rows.Next() {
				seen, err := rows.Values()
				tell("cursor", seen, code(err))
			}
		}
		return nil
	}))
	must(conn.BeginFunc(every, func(tx pgx.Tx) error {
		inner := tx.BeginFunc(every, func(deep pgx.Tx) error {
			_, err := deep.Exec(every,
				"insert into account values ($1, 2)", 200)
			return err
		})
		tell("transaction", code(inner))
		_, err := tx.Exec(every, "set local search_path = other_schema")
		tell("transaction", code(err),
			one(tx, "select name from product"))
		return err
	}))
	tell("transaction", one(conn, "show search_path"))
	tx, err := conn.BeginTx(every, pgx.TxOptions{
		IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly,
		DeferrableMode: pgx.Deferrable})
	must(err)
	_, err = tx.Exec(every, "delete from account")
	tell("transaction", code(err), one(tx, "select 1"))
	tell("transaction", code(tx.Commit(every)))
	tell("transaction", one(conn, "select count(*) > 20 from account"))
	_, err = conn.Exec(every, "call pay($1, $2, $3)", 1, 2, 10)
	tell("transaction", code(err))
}

func copies() {
	conn := connect("")
	defer conn.Close(every)
	rows := [][]interface{}{}
	for i := 10; i < 5000; i++ {
		rows = append(rows, []interface{}{i, fmt.Sprint("name ", i)})
	}
	n, err := conn.CopyFrom(every, pgx.Identifier{"item"},
		[]string{"id", "name"}, pgx.CopyFromRows(rows))
	tell("copy", n, code(err))
	n, err = conn.CopyFrom(every, pgx.Identifier{"item"},
		[]string{"id", "name"}, pgx.CopyFromRows(rows[:1]))
	tell("copy", n, code(err))
	var out strings.Builder
	tag, err := conn.PgConn().CopyTo(every, &out,
		"copy (select id, name from item order by id) to stdout")
	tell("copy", string(tag), code(err), out.Len())
	tx, err := conn.Begin(every)
	must(err)
	objects := tx.LargeObjects()
	oid, err := objects.Create(every, 0)
	must(err)
	object, err := objects.Open(every, oid, pgx.LargeObjectModeWrite|
		pgx.LargeObjectModeRead)
	must(err)
	object.Write([]byte(strings.Repeat("large object ", 1000)))
	object.Seek(6, 0)
	text := make([]byte, 6)
	object.Read(text)
	where, err := object.Tell()
	tell("large object", string(text), where, code(err),
		code(objects.Unlink(every, oid)))
	must(tx.Commit(every))
}

func notifications() {
	conn, teller := connect(""), connect("")
	defer conn.Close(every)
	defer teller.Close(every)
	_, err := conn.Exec(every, "listen news")
	must(err)
	_, err = conn.Exec(every, "notify news, 'from myself'")
	must(err)
	for i := 0; i < 3; i++ {
		_, err = teller.Exec(every, "select pg_notify('news', $1)",
			fmt.Sprint("news ", i))
		must(err)
	}
	limit, done := context.WithTimeout(every, 20*time.Second)
	defer done()
	for i := 0; i < 4; i++ {
		note, err := conn.WaitForNotification(limit)
		must(err)
		tell("notify", note.Channel, note.Payload,
			i > 0 || note.PID == conn.PgConn().PID())
	}
	_, err = conn.Exec(every, "unlisten news")
	must(err)
}

func cancels() {
	conn, watcher := connect(""), connect("")
	defer conn.Close(every)
	defer watcher.Close(every)
	told := make(chan string)
	go func() {
		_, err := conn.Exec(every, "select nap(60)")
		told <- code(err)
	}()
	for one(watcher, "select count(*) from sleeper") == int64(0) {
	}
	tell("cancel", code(conn.PgConn().CancelRequest(every)), <-told)
	tell("cancel", one(conn, "select 'after'"))
	// A context that ends closes the connection.
	short, done := context.WithTimeout(every, 200*time.Millisecond)
	defer done()
	_, err := conn.Exec(short, "select pg_sleep(60)")
	tell("cancel", err != nil, conn.IsClosed())
}

func sessions() {
	conn, other := connect(""), connect("")
	defer conn.Close(every)
	defer other.Close(every)
	for _, text := range []string{
		"create temp table mine as select 1 as a",
		"set work_mem = '9MB'", "select pg_advisory_lock(42)",
	} {
		_, err := conn.Exec(every, text)
		must(err)
	}
	tell("session", one(conn, "select a from mine"),
		one(conn, "show work_mem"), one(other, "show work_mem"),
		one(other, "select pg_try_advisory_lock(42)"),
		one(other, "select a from mine"))
	_, err := conn.Exec(every, "select pg_advisory_unlock_all()")
	must(err)
	tell("session", one(other, "select pg_try_advisory_lock(42)"))
}

func crowdOne(pool *pgxpool.Pool, db *sql.DB, number int) string {
	seen := ""
	for turn := 0; turn < 5; turn++ {
		must(pool.BeginFunc(every, func(tx pgx.Tx) error {
			_, err := tx.Exec(every, "set local search_path = "+
				[]string{"naytife_schema", "other_schema",
					"public"}[number%3])
			must(err)
			seen += fmt.Sprint(one(tx,
				"select name from product where id = $1", 1), ", ")
			_, err = tx.Exec(every, "update public.account set balance "+
				"= balance + $2 where id = $1", number+1, turn)
			return err
		}))
		seen += fmt.Sprint(one(pool, "select 1 / $1::int", 0), ", ")
		var balance int
		must(db.QueryRow("select balance from account where id = $1",
			number+1).Scan(&balance))
		seen += strconv.Itoa(balance) + "; "
	}
	return seen
}

func crowd() {
	clients, _ := strconv.Atoi(os.Getenv("STORY_CLIENTS"))
	parameters := fmt.Sprint("?pool_max_conns=", clients,
		"&pool_max_conn_lifetime=1h&pool_health_check_period=1s")
	pool, err := pgxpool.Connect(every, with(parameters))
	must(err)
	db, err := sql.Open("pgx", with(""))
	must(err)
	db.SetMaxOpenConns(clients)
	seen := make([]string, 2*clients)
	var all sync.WaitGroup
	for i := range seen {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			seen[i] = crowdOne(pool, db, i)
		}(i)
	}
	all.Wait()
	for i := range seen {
		tell(fmt.Sprint("crowd ", i), seen[i])
	}
	must(db.Close())
	pool.Close()
}

func main() {
	for _, chapter := range []func(){urls, types, prepared, batches,
		transactions, copies, notifications, cancels, sessions, crowd} {
		chapter()
	}
}
