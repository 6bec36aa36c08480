// A small application on Go with pgxpool; the schema of its tables is in its
// URL.  What it does and says: see pools.py.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

var (
	every = context.Background()
	pool  *pgxpool.Pool
	guard sync.Mutex
	codes = map[string]int{}
	ends  int32
)

func note(err error) bool {
	var said *pgconn.PgError
	if err == nil {
		return true
	}
	code := err.Error()
	if errors.As(err, &said) {
		code = said.Code
	}
	guard.Lock()
	codes[code]++
	guard.Unlock()
	time.Sleep(20 * time.Millisecond)
	return false
}

func write(id int) error {
	_, err := pool.Exec(every, "insert into visit values ($1, 'alone')", id)
	return err
}

func transact(id int) error {
	return pool.BeginFunc(every, func(tx pgx.Tx) error {
		_, err := tx.Exec(every,
			"insert into visit values ($1, 'together')", id)
		return err
	})
}

func work(number int) {
	for id := number * 1000000; atomic.LoadInt32(&ends) == 0; id++ {
		seen := 1
		what := transact
		if id%2 == 1 {
			what = write
		}
		done := note(what(id))
		if !note(pool.QueryRow(every, "select count(*) from visit "+
			"where id = $1", id).Scan(&seen)) {
			seen = 1
		}
		if done {
			fmt.Println("wrote", id, seen)
		}
	}
}

func main() {
	var all sync.WaitGroup
	var err error
	pool, err = pgxpool.Connect(every, os.Getenv("DATABASE_URL"))
	if err != nil {
		panic(err)
	}
	workers, _ := strconv.Atoi(os.Getenv("STORY_CLIENTS"))
	for i := 0; i < workers; i++ {
		all.Add(1)
		go func(number int) {
			defer all.Done()
			work(number)
		}(i)
	}
	io.Copy(io.Discard, os.Stdin)
	atomic.StoreInt32(&ends, 1)
	all.Wait()
	pool.Close()
	text, _ := json.Marshal(codes)
	fmt.Println("errors", string(text))
}
