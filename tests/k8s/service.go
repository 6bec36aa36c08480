// A service written in Go, or its migration: service URL STATEMENT ...
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v4"
)

func main() {
	here := context.Background()
	conn, err := pgx.Connect(here, os.Args[1])
	for _, text := range os.Args[2:] {
		var rows pgx.Rows
		if err == nil {
			rows, err = conn.Query(here, text)
		}
		for err == nil && rows.Next() {
			var values []interface{}
			values, err = rows.Values()
			fmt.Println(values...)
		}
		if err == nil {
			err = rows.Err()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
