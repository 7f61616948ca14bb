package api_test

import (
	"bytes"
	"fmt"
	"net"
	"testing"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/wire"
)

// BenchmarkPrint reads a table of 10,000 rows of 20 words through a session.
func BenchmarkPrint(b *testing.B) {
	client, server := net.Pipe()
	over := make(chan struct{})
	go func() {
		defer close(over)
		r := wire.NewReader(server, wire.DefaultLimits())
		if _, err := r.Read(); err != nil {
			return
		}
		_, _ = server.Write(encoded([]string{"!done"}))
		for {
			words, err := r.Read()
			if err != nil {
				return
			}
			if _, err := server.Write(answerOf(10_000, tagOf(words))); err != nil {
				return
			}
		}
	}()
	defer func() { client.Close(); server.Close(); <-over }()
	s, err := api.NewSession(b.Context(), client, "admin", "sesame", api.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		reply, err := s.Run(b.Context(), routeros.Print(routeros.Filter))
		if err != nil || len(reply.Rows) != 10_000 {
			b.Fatal(len(reply.Rows), err)
		}
	}
}

func answerOf(rows int, tag string) []byte {
	sentences := make([][]string, 0, rows+1)
	for i := range rows {
		row := []string{"!re", tag}
		for j := range 18 {
			row = append(row, fmt.Sprintf("=column-%d=value-%d", j, i))
		}
		sentences = append(sentences, row)
	}
	return encoded(append(sentences, []string{"!done", tag})...)
}

func encoded(sentences ...[]string) []byte {
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	for _, s := range sentences {
		_ = w.Write(s...)
	}
	_ = w.Flush()
	return b.Bytes()
}
