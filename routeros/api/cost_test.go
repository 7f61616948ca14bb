package api

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/wire"
)

// rule is a row of a filter as print shows it, with counters and a long comment.
func rule(i int) []string {
	return []string{
		"!re", fmt.Sprintf("=.id=*%X", i), "=chain=input", "=action=add-src-to-address-list", "=protocol=tcp", fmt.Sprintf("=dst-port=%d", i%65536),
		"=src-address-list=knock-stage-1", "=in-interface-list=WAN", "=address-list=knock-stage-2", "=address-list-timeout=15s", "=connection-state=established,related,untracked",
		fmt.Sprintf("=src-address=10.%d.%d.0/24", i>>8&0xFF, i&0xFF), "=log=false", "=log-prefix=", "=bytes=1234567890", "=packets=12345678", "=invalid=false", "=dynamic=false", "=disabled=false",
		fmt.Sprintf("=comment=rule number %d of a table that somebody wrote by hand", i), ".tag=12",
	}
}

// entry is a row of an address list as print shows it.
func entry(i int) []string {
	return []string{
		"!re", fmt.Sprintf("=.id=*%X", i), "=list=blocklist", fmt.Sprintf("=address=%d.%d.%d.%d", 1+i>>24, i>>16&0xFF, i>>8&0xFF, i&0xFF), "=creation-time=2026-09-21 08:50:30",
		"=timeout=23h59m55s", "=dynamic=true", "=disabled=false", "=comment=seen by the sensor", ".tag=12",
	}
}

// repeated is a row of so many equal words.
func repeated(word string, n int) func(int) []string {
	row := append([]string{"!re", ".tag=12"}, slices.Repeat([]string{word}, n)...)
	return func(int) []string { return row }
}

// long is a row of one attribute of so many bytes.
func long(n int) func(int) []string { return repeated("=a="+strings.Repeat("x", n-3), 1) }

// distinct is a row of 1,000 attributes of one to three letters.
func distinct(int) []string {
	row := []string{"!re", ".tag=12"}
	for i := range 1000 {
		row = append(row, "="+string(rune('a'+i/100))+string(rune('0'+i/10%10))+string(rune('0'+i%10))+"=")
	}
	return row
}

// TestCost: what a session counts for a row is at least what the row takes in memory. What it logs
// is where the bound of a session comes from.
func TestCost(t *testing.T) {
	for _, shape := range []struct {
		name string
		row  func(i int) []string
		rows int
	}{
		{"rule", rule, 20_000}, {"address-list entry", entry, 50_000}, {"empty", repeated("=", 0), 200_000}, {"no attributes", repeated("=", 2000), 200},
		{"one name again and again", repeated("=a=b", 2000), 200}, {"many names", distinct, 200}, {"words of 9 bytes", repeated("=a=567890", 2000), 200},
		{"17 bytes", long(17), 50_000}, {"33 bytes", long(33), 50_000}, {"129 bytes", long(129), 20_000}, {"577 bytes", long(577), 10_000}, {"1025 bytes", long(1025), 5_000}, {"4097 bytes", long(4097), 2_000},
		{"6913 bytes", long(6913), 1_000}, {"27265 bytes", long(27265), 500}, {"32769 bytes", long(32769), 300}, {"1 MiB", long(1 << 20), 20},
	} {
		counted, live := weigh(t, shape.row, shape.rows)
		t.Logf("%-26s %8d rows: %8d bytes a row in memory, %8d counted", shape.name, shape.rows, live/int64(shape.rows), counted/int64(shape.rows))
		if live > counted+64<<10 { // the runtime's own
			t.Errorf("%s: %d bytes in memory, %d counted", shape.name, live, counted)
		}
	}
}

// weigh reads rows as a session does, and returns what it counts for them and what the heap holds
// more.
func weigh(t *testing.T, row func(i int) []string, n int) (counted, live int64) {
	t.Helper()
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	for i := range n {
		if err := w.Write(row(i)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r := wire.NewReader(&b, wire.DefaultLimits())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var rows []routeros.Attributes
	for range n {
		sentence, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		counted += costOf(sentence)
		rows = append(rows, parse(sentence))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(rows)
	runtime.KeepAlive(&b)
	return counted, int64(after.HeapAlloc) - int64(before.HeapAlloc)
}
