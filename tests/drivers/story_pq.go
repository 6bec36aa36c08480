// The story in lib/pq's idiom, behind database/sql: prepare, then bind and
// execute in a batch of their own; binary_parameters; COPY; its listener.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/lib/pq"
)

var every = context.Background()

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
	var said *pq.Error
	if err == nil {
		return "no error"
	}
	if errors.As(err, &said) {
		return string(said.Code)
	}
	return err.Error()
}

func open(parameters string) *sql.DB {
	db, err := sql.Open("postgres", os.Getenv("DATABASE_URL")+parameters)
	must(err)
	return db
}

type querier interface {
	QueryRowContext(context.Context, string, ...interface{}) *sql.Row
}

func one(db querier, text string, values ...interface{}) string {
	var seen sql.NullString
	err := db.QueryRowContext(every, text, values...).Scan(&seen)
	if err != nil {
		return code(err)
	}
	return seen.String
}

func urls() {
	for number, parameters := range []string{
		"?sslmode=require&search_path=naytife_schema",
		"?sslmode=disable&search_path=other_schema" +
			"&statement_timeout=5000&application_name=x",
		"?sslmode=verify-full&sslrootcert=" + os.Getenv("STORY_CA") +
			"&connect_timeout=5&binary_parameters=yes",
		"?sslmode=disable&fallback_application_name=y" +
			"&timezone=Asia/Tokyo",
		"?sslmode=disable&options=-csearch_path%3Dother_schema",
		"?sslmode=disable&nosuch=1",
	} {
		db := open(parameters)
		tell(fmt.Sprint("url ", number), one(db, "show search_path"),
			one(db, "show statement_timeout"),
			one(db, "show application_name"), one(db, "show timezone"),
			one(db, "show datestyle"), one(db, "show extra_float_digits"),
			one(db, "select name from product where id = $1", 1))
		must(db.Close())
	}
}

func statements(parameters string) {
	db := open(parameters)
	defer db.Close()
	for _, pair := range []struct {
		kind  string
		value interface{}
	}{
		{"bool", true}, {"int4", 7}, {"int8", int64(1) << 40},
		{"float8", 1.5}, {"text", "ü ' \\"}, {"bytea", []byte{0, 255}},
		{"timestamptz", time.Unix(0, 0).UTC()}, {"text", nil},
		{"int4[]", pq.Array([]int{1, 2})},
		{"text[]", pq.Array([]string{"a", "b\""})}, {"mood", "happy"},
	} {
		tell("types", pair.kind, one(db, "select ($1::"+pair.kind+")::text",
			pair.value))
	}
	// On whichever of the pool's connections, again and again.
	statement, err := db.Prepare("select $1::int + $2::int")
	must(err)
	for i := 0; i < 5; i++ {
		var n int
		must(statement.QueryRow(i, 10).Scan(&n))
		tell("prepared", n)
	}
	must(statement.Close())
	_, err = db.Prepare("select nosuch from product where id = $1")
	tell("prepared", code(err), one(db, "select 'after'"))
	tell("prepared", one(db, "select $1::int", "x"))
	rows, err := db.Query("select 1; select 2")
	must(err)
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var n int
			must(rows.Scan(&n))
			tell("prepared", n)
		}
	}
	must(rows.Close())
}

func transactions() {
	db := open("?sslmode=disable")
	defer db.Close()
	tx, err := db.Begin()
	must(err)
	_, err = tx.Exec("insert into account values ($1, 1)", 100)
	must(err)
	_, err = tx.Exec("savepoint a")
	must(err)
	_, err = tx.Exec("insert into account values ($1, 2)", 100)
	tell("transaction", code(err), one(tx, "select 1"))
	_, err = tx.Exec("rollback to a")
	must(err)
	_, err = tx.Exec("set local search_path = other_schema")
	tell("transaction", code(err), one(tx, "select name from product"))
	tell("transaction", code(tx.Commit()),
		one(db, "select balance from account where id = $1", 100))
	tx, err = db.BeginTx(every, &sql.TxOptions{
		Isolation: sql.LevelSerializable, ReadOnly: true})
	must(err)
	tell("transaction", one(tx, "show transaction_isolation"))
	_, err = tx.Exec("delete from account")
	tell("transaction", code(err), code(tx.Rollback()))
	tx, err = db.Begin()
	must(err)
	copying, err := tx.Prepare(pq.CopyIn("item", "id", "name"))
	must(err)
	for i := 10; i < 3000; i++ {
		_, err = copying.Exec(i, fmt.Sprint("name ", i))
		must(err)
	}
	_, err = copying.Exec()
	tell("copy", code(err), code(copying.Close()), code(tx.Commit()),
		one(db, "select count(*) from item"))
	_, err = db.Exec("insert into account values (101, 1); select 1 / 0")
	tell("transaction", code(err),
		one(db, "select count(*) from account where id = 101"))
}

func sessions() {
	db := open("?sslmode=disable")
	defer db.Close()
	mine, err := db.Conn(every)
	must(err)
	for _, text := range []string{
		"create temp table mine as select 1 as a",
		"set work_mem = '9MB'", "select pg_advisory_lock(42)",
	} {
		_, err = mine.ExecContext(every, text)
		must(err)
	}
	tell("session", one(mine, "select a from mine"),
		one(mine, "show work_mem"), one(db, "show work_mem"),
		one(db, "select pg_try_advisory_lock(42)"),
		one(db, "select a from mine"))
	_, err = mine.ExecContext(every, "discard all")
	must(err)
	tell("session", one(mine, "show work_mem"),
		one(db, "select pg_try_advisory_lock(42)"))
	must(mine.Close())
}

func cancels() {
	db := open("?sslmode=disable")
	defer db.Close()
	watcher := open("?sslmode=disable")
	defer watcher.Close()
	limit, cancel := context.WithCancel(every)
	told := make(chan string)
	go func() {
		_, err := db.ExecContext(limit, "select nap(60)")
		told <- code(err)
	}()
	for one(watcher, "select count(*) from sleeper") == "0" {
	}
	cancel()
	tell("cancel", <-told, one(db, "select 'after'"))
}

func notifications() {
	db := open("?sslmode=disable")
	defer db.Close()
	listener := pq.NewListener(os.Getenv("DATABASE_URL")+"?sslmode=require",
		time.Second, time.Second, nil)
	must(listener.Listen("news"))
	tell("notify", code(listener.Listen("news")))
	for i := 0; i < 3; i++ {
		one(db, "select pg_notify('news', $1)", fmt.Sprint("news ", i))
	}
	for i := 0; i < 3; i++ {
		select {
		case note := <-listener.Notify:
			tell("notify", note.Channel, note.Extra)
		case <-time.After(20 * time.Second):
			tell("notify", "nothing came")
		}
	}
	tell("notify", code(listener.Ping()), code(listener.UnlistenAll()),
		code(listener.Close()))
}

func crowd() {
	clients, _ := strconv.Atoi(os.Getenv("STORY_CLIENTS"))
	db := open("?sslmode=disable&search_path=other_schema,public")
	defer db.Close()
	db.SetMaxOpenConns(clients)
	db.SetMaxIdleConns(clients / 2)
	statement, err := db.Prepare("select name from product where id = $1")
	must(err)
	seen := make([]string, 2*clients)
	var all sync.WaitGroup
	for i := range seen {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			for turn := 0; turn < 6; turn++ {
				var name string
				must(statement.QueryRow(1).Scan(&name))
				tx, err := db.Begin()
				must(err)
				_, err = tx.Exec("update account set balance = balance "+
					"+ $2 where id = $1", i+1, turn)
				must(err)
				must(tx.Commit())
				seen[i] += name + " " + one(db, "select 1 / $1::int", 0) +
					" " + one(db, "select balance from account "+
					"where id = $1", i+1) + "; "
			}
		}(i)
	}
	all.Wait()
	for i := range seen {
		tell(fmt.Sprint("crowd ", i), seen[i])
	}
}

func main() {
	urls()
	statements("?sslmode=require")
	statements("?sslmode=disable&binary_parameters=yes")
	transactions()
	sessions()
	cancels()
	notifications()
	crowd()
}
