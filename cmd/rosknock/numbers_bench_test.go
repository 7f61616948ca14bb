//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// BenchmarkRouter is what a run computes for one router of 60 rules, from what was read to the
// proved changes.
func BenchmarkRouter(b *testing.B) {
	p, before, after, session := installedRouter(b, sixtyRules())
	for _, c := range []struct {
		name string
		s    routeros.Snapshot
	}{{"first", before}, {"nothing to do", after}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			from := cpuTime()
			for b.Loop() {
				if out := operate.Compare(operate.Result{Snapshot: &c.s}, p, session); out.Err != nil || out.Changes.Changed() != (c.name == "first") {
					b.Fatal(out.Err)
				}
			}
			b.ReportMetric(float64((cpuTime()-from).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// installedRouter is a router before and after the plan of the branches came to it.
func installedRouter(b *testing.B, rules string) (p plans.Plan, before, after routeros.Snapshot, session change.Management) {
	b.Helper()
	p, err := plans.Read("branch.yaml", []byte(strings.ReplaceAll(branchPlan, "${office}", "192.168.88.5")))
	if err != nil {
		b.Fatal(err)
	}
	before, _ = rsc.Read([]byte(rules)).Snapshot(rsc.Options{})
	session = change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("192.168.88.5")}}
	first, err := changesFor(before, p, session)
	if err != nil {
		b.Fatal(err)
	}
	return p, before, changetest.After(b, before, first), session
}

// changesFor is what is computed without a proof.
func changesFor(s routeros.Snapshot, p plans.Plan, session change.Management) (change.ChangeSet, error) {
	sets, err := compile.Through(p, s)
	if err != nil {
		return change.ChangeSet{}, err
	}
	return diff.ComputeThrough(s, sets, session)
}

// BenchmarkNumbers prints the numbers of the design, what they are in ratio to their aims and to
// what the line allows, and how cost grows with routers and rules. With ROSKNOCK_UPDATE=1 it writes
// them into docs/performance.md. Run it with -benchtime 1x, on a machine that does nothing else.
func BenchmarkNumbers(b *testing.B) {
	for b.Loop() {
		report := fmt.Sprintf("%s/%s, %d cores, %s, %s; when it began, %s programs wanted to run.\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), runtime.Version(), busy())
		// Programs first: the peak of a child is no lower than that of the process that started it.
		line, routers := ofFleets(b)
		line = append(line, ofLists(b)...)
		applies := map[int]spent{}
		for _, n := range ruleCounts() {
			f := provision(b, 1, 0, manyRules(n))
			applies[n] = f.run(b, 1, "apply", "--yes")
			f.end()
		}
		line = append(line, ofJournals(b)...)
		line = append(line, ofInventories(b)...)
		peers := ofPeers(b)
		alone, rules := ofTables(b, applies)
		line = append(line, alone...)
		line = append(line, []string{"a fault at every sentence of an apply", "`make matrix`", "nobody locked out or let in", "", "", ""})
		report += "\n" + markdown([]string{"what", "measured", "aim", "of the aim", "the line allows", "of that"}, line) +
			"\n" + markdown([]string{"routers", "command", "wall", "the line allows", "CPU", "CPU a router", "peak of memory"}, routers) +
			"\n" + markdown([]string{"rules", "diff", "allocated", "proof", "allocated", "whole apply: wall", "CPU", "peak of memory"}, rules) +
			"\n" + markdown(peerColumns(), peers)
		fmt.Print("\n", report, "\n")
		if os.Getenv("ROSKNOCK_UPDATE") != "" {
			rewritten(b, "../../docs/performance.md", report)
		}
	}
}

// BenchmarkJournal prints the journal's part of [BenchmarkNumbers] alone.
func BenchmarkJournal(b *testing.B) {
	for b.Loop() {
		fmt.Print("\n", markdown([]string{"what", "measured", "aim", "of the aim", "the line allows", "of that"}, ofJournals(b)), "\n")
	}
}

// BenchmarkInventory prints the inventory's part of [BenchmarkNumbers] alone.
func BenchmarkInventory(b *testing.B) {
	for b.Loop() {
		fmt.Print("\n", markdown([]string{"what", "measured", "aim", "of the aim", "the line allows", "of that"}, ofInventories(b)), "\n")
	}
}

// BenchmarkLists prints the part of large address lists of [BenchmarkNumbers] alone.
func BenchmarkLists(b *testing.B) {
	for b.Loop() {
		fmt.Print("\n", markdown([]string{"what", "measured", "aim", "of the aim", "the line allows", "of that"}, ofLists(b)), "\n")
	}
}

// ofLists measures a no-op diff of a router with 50,000 entries in other people's lists, beside one
// of a router without: in a list that no rule names, one that only forward names, and one that input
// drops. The last one decides, so that it is read.
func ofLists(b *testing.B) [][]string {
	b.Helper()
	noop := func(rules string) spent {
		f := provision(b, 1, 50*time.Millisecond, rules)
		defer f.end()
		f.run(b, 1, "apply", "--yes")
		best := f.run(b, 1, "diff", "--exit-code")
		for range 2 {
			if next := f.run(b, 1, "diff", "--exit-code"); next.wall < best.wall {
				best = next
			}
		}
		return best
	}
	var entries strings.Builder
	entries.WriteString("/ip firewall address-list\n")
	for i := range 50_000 {
		n := uint32(i) * 2654435761 // scattered, each once
		fmt.Fprintf(&entries, "add list=blocked address=%d.%d.%d.%d comment=\"abuse %d\"\n", 11+n>>24%80, n>>16&255, n>>8&255, n&255, i)
	}
	without := noop(sixtyRules())
	var out [][]string
	for _, c := range []struct{ name, chain string }{{"no rule names", ""}, {"only forward names", "forward"}, {"input drops", "input"}} {
		rules := entries.String() + sixtyRules()
		if c.chain != "" {
			rules = entries.String() + "/ip firewall filter\nadd chain=" + c.chain + " action=drop src-address-list=blocked\n" + sixtyRules()
		}
		got := noop(rules)
		ratio := float64(got.wall) / float64(without.wall)
		out = append(out,
			[]string{"a router with 50,000 entries in a list that " + c.name + ": no-op diff, beside one without", fmt.Sprintf("%.1f ×", ratio), "3 ×", percent(ratio, 3), "", ""},
			[]string{"its memory", mebibytes(got.peak), "40 MiB", percent(got.peak, 40), "", ""})
	}
	return out
}

// ofInventories measures a command about one router of an inventory of 100,000, in one file and in
// ten, as programs write them and as people do.
func ofInventories(b *testing.B) [][]string {
	b.Helper()
	const routers = 100_000
	head := "version: 1\ndefaults: {user: provision, password: \"command:pass show ${router}\"}\ngroups:\n"
	for i := range 20 {
		head += fmt.Sprintf("  region%02d: {plans: [plans/branch.yaml], tags: [edge], vars: {country: c%02d}}\n", i, i)
	}
	line := func(i int) string {
		return fmt.Sprintf("  r%05d: {address: \"10.%d.%d.%d:8729\", groups: [region%02d], site: pop%d, vars: {wan: ether1, office: 198.51.100.%d}}\n", i, i>>16, i>>8&255, i&255, i%20, i%500, i%250)
	}
	block := func(i int) string {
		return fmt.Sprintf("  r%05d:\n    address: 10.%d.%d.%d:8729\n    groups: [region%02d]\n    site: pop%d\n    vars:\n      wan: ether1\n      office: 198.51.100.%d # there\n\n", i, i>>16, i>>8&255, i&255, i%20, i%500, i%250)
	}
	var out [][]string
	for _, way := range []struct {
		name  string
		files int
		write func(int) string
	}{{"", 1, line}, {", in ten files", 10, line}, {", over many lines", 1, block}} {
		dir := b.TempDir()
		args := []string{"inventory", "list", "-l", "r77777"}
		for n := range way.files {
			var text strings.Builder
			text.WriteString("version: 1\nrouters:\n")
			if n == 0 {
				text.Reset()
				text.WriteString(head + "routers:\n")
			}
			for i := n * routers / way.files; i < (n+1)*routers/way.files; i++ {
				text.WriteString(way.write(i))
			}
			name := filepath.Join(dir, fmt.Sprintf("%d.yaml", n))
			if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			args = append(args, "-i", name)
		}
		c := command(b.Context(), args...)
		if text, err := c.Output(); err != nil || !strings.Contains(string(text), "10.1.47.209:8729") {
			b.Fatalf("%v: %s", err, text)
		}
		cpu := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		out = append(out,
			[]string{"inventory of 100,000 routers" + way.name + ", `-l` one of them: CPU", seconds(cpu), "1 s", percent(cpu.Seconds(), 1), "", ""},
			[]string{"its memory", mebibytes(peak(c)), "150 MiB", percent(peak(c), 150), "", ""})
	}
	return out
}

func ruleCounts() []int { return []int{10, 100, 1000, 10_000} }

// The round trips of a session: TCP, TLS 1.2 (two), login, and all reads in one flight.
const noopTrips = 5

// ofFleets measures runs of the program over simulated routers.
func ofFleets(b *testing.B) (numbers, growth [][]string) {
	const rtt, slow = 50 * time.Millisecond, 200 * time.Millisecond
	one := provision(b, 1, slow, sixtyRules())
	first := one.run(b, 0, "apply", "--yes")
	noop := one.run(b, 0, "diff", "--exit-code")
	one.end()
	// One after another: what goes on over two connections at once is waited for once. Computing takes
	// less than one round trip.
	firstTrips, took := int(first.wall/slow), int(noop.wall/slow)
	numbers = append(numbers,
		[]string{"no-op diff of one router, round trips", fmt.Sprint(took), fmt.Sprint(noopTrips), percent(float64(took), noopTrips), "", ""},
		[]string{"its time over a line of 200 ms", seconds(noop.wall), "", "", seconds(noopTrips * slow), percent(float64(noop.wall), float64(noopTrips*slow))},
		[]string{"first apply of one router, round trips", fmt.Sprint(firstTrips), "17", percent(float64(firstTrips), 17), "", ""},
		[]string{"its time over a line of 200 ms", seconds(first.wall), "", "", seconds(time.Duration(firstTrips) * slow), percent(float64(first.wall), float64(firstTrips)*float64(slow))},
	)
	for _, n := range []int{1, 10, 100, 1000} {
		f := provision(b, n, rtt, sixtyRules())
		for _, step := range []struct {
			name  string
			args  []string
			trips int
			forks int
		}{{"first diff", []string{"diff"}, noopTrips, 0}, {"first apply", []string{"apply", "--yes"}, firstTrips, 0}, {"no-op diff", []string{"diff", "--exit-code"}, noopTrips, 0}, {"no-op diff, 32 at once", []string{"diff", "--exit-code"}, noopTrips, 32}} {
			if step.forks > 0 && n < 1000 {
				continue
			}
			got := f.run(b, step.forks, step.args...)
			limit := time.Duration(rounds(n, step.forks)*step.trips) * rtt
			growth = append(growth, []string{thousands(n), step.name, seconds(got.wall), seconds(limit), seconds(got.cpu), milliseconds(got.cpu / time.Duration(n)), mebibytes(got.peak)})
			if aim, ok := fleetAims()[step.name]; n == 1000 && ok {
				numbers = append(numbers,
					[]string{step.name + " of 1,000 routers, 60 rules, 50 ms", seconds(got.wall), fmt.Sprintf("%.0f s", aim.seconds), percent(got.wall.Seconds(), aim.seconds), seconds(limit), percent(float64(got.wall), float64(limit))},
					[]string{"its memory", mebibytes(got.peak), fmt.Sprintf("%.0f MiB", aim.memory), percent(got.peak, aim.memory), "", ""},
				)
			}
			if n == 1000 && step.name == "no-op diff" {
				each := got.cpu / time.Duration(n)
				numbers = append(numbers, []string{"its CPU for each router", milliseconds(each), "2 ms", percent(float64(each), float64(2*time.Millisecond)), "", ""})
			}
		}
		f.end()
	}
	return numbers, growth
}

// rounds is in how many of them n routers are worked on; with 0 forks in those of a number that
// begins at 32 and doubles.
func rounds(n, forks int) int {
	if forks > 0 {
		return (n + forks - 1) / forks
	}
	all := 0
	for many := 32; n > 0; many *= 2 {
		n -= many
		all++
	}
	return all
}

// fleetAim is what a run over 1,000 routers may take, in seconds and MiB.
type fleetAim struct{ seconds, memory float64 }

func fleetAims() map[string]fleetAim {
	return map[string]fleetAim{"first apply": {14, 160}, "no-op diff": {3, 64}}
}

// ofJournals measures what a journal of a million records costs an apply of one router that finds
// nothing to do: when it is first read, and from then on.
func ofJournals(b *testing.B) [][]string {
	b.Helper()
	f := provision(b, 1, 0, sixtyRules())
	defer f.end()
	f.run(b, 1, "apply", "--yes")
	alone := f.run(b, 1, "apply", "--yes")
	longJournal(b, filepath.Join(f.dir, "state"), 1_000_000)
	first := f.run(b, 1, "apply", "--yes")
	beside := f.run(b, 1, "apply", "--yes")
	more := max(0, beside.cpu-alone.cpu)
	return [][]string{
		{"apply of one router beside a journal of 1,000,000 records, more CPU", seconds(more), "0.2 s", percent(more.Seconds(), 0.2), "", ""},
		{"its memory, more", mebibytes(max(0, beside.peak-alone.peak)), "64 MiB", percent(max(0, beside.peak-alone.peak), 64), "", ""},
		{"once, to make the journal's index: more CPU", seconds(first.cpu - alone.cpu), "", "", "", ""},
		{"its memory, more", mebibytes(max(0, first.peak-alone.peak)), "", "", "", ""},
	}
}

// longJournal writes a journal of changes of a thousand routers, the one of the benchmark among
// them, as full segments.
func longJournal(b *testing.B, path string, n int) {
	b.Helper()
	folder := filepath.Join(path, "journal.d")
	if err := errors.Join(os.RemoveAll(folder), os.Remove(filepath.Join(path, "journal.ndjson")), os.MkdirAll(folder, 0o700)); err != nil {
		b.Fatal(err)
	}
	var text bytes.Buffer
	number, prev := 1, ""
	for i := range n {
		r := state.Record{
			Seq: int64(i + 1), Time: time.Date(2026, 10, 1, 0, 0, i, 0, time.UTC), Actor: "noc@desk", Command: "rotate", Event: state.Begin,
			Router: fmt.Sprintf("r%04d", i/2%1000), Address: fmt.Sprintf("127.0.0.1:%d", 21000+i/2%1000), Identity: "MikroTik", Plan: "branch",
			Change: fmt.Sprintf("20261001-%06d-%04x", i/2/0x10000, i/2%0x10000), Steps: 6, Before: "sha256:" + strings.Repeat("0", 64), Fingerprint: strings.Repeat("1", 32), Prev: prev,
		}
		if i%2 == 1 {
			r.Event, r.Outcome, r.Done, r.After = state.End, "changed", 6, "sha256:"+strings.Repeat("2", 64)
		}
		line, err := json.Marshal(r)
		if err != nil {
			b.Fatal(err)
		}
		prev = fmt.Sprintf("sha256:%x", sha256.Sum256(line))
		text.Write(append(append(bytes.TrimSuffix(line, []byte(`"}`)), prev...), "\"}\n"...))
		if text.Len() > 8<<20 || i == n-1 {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%06d-2026-10.ndjson", number)), text.Bytes(), 0o600); err != nil {
				b.Fatal(err)
			}
			number++
			text.Reset()
		}
	}
}

// ofTables measures what is computed for one router.
func ofTables(b *testing.B, applies map[int]spent) (numbers, growth [][]string) {
	aims := map[int]time.Duration{300: 20 * time.Millisecond, 5000: 200 * time.Millisecond}
	for _, n := range slices.Sorted(slices.Values(append(ruleCounts(), 300, 5000))) {
		p, before, _, session := installedRouter(b, manyRules(n))
		sets, err := compile.Through(p, before)
		if err != nil {
			b.Fatal(err)
		}
		changes, err := diff.ComputeThrough(before, sets, session)
		if err != nil {
			b.Fatal(err)
		}
		compared, held := measured(func() { _, err = changesFor(before, p, session) })
		proved, used := measured(func() { err = proof.Prove(before, sets[len(sets)-1], changes, session).Err() })
		if err != nil {
			b.Fatal(err)
		}
		if aim, ok := aims[n]; ok {
			numbers = append(numbers, []string{"proof of a change set on a table of " + thousands(n) + " rules", milliseconds(proved), milliseconds(aim), percent(float64(proved), float64(aim)), "", ""})
			continue
		}
		if n == 10_000 {
			q, s, _, session := installedRouter(b, blocking(n))
			blocked, _ := measured(func() { _, err = changesFor(s, q, session) })
			for name, took := range map[string]time.Duration{"diff of a table of 10,000 rules of many kinds": compared, "diff of a table of 10,000 blocked sources": blocked} {
				numbers = append(numbers, []string{name, milliseconds(took), "40 ms", percent(float64(took), float64(40*time.Millisecond)), "", ""})
			}
		}
		whole := applies[n]
		growth = append(growth, []string{thousands(n), milliseconds(compared), mebibytes(held), milliseconds(proved), mebibytes(used), seconds(whole.wall), seconds(whole.cpu), mebibytes(whole.peak)})
	}
	slices.SortFunc(numbers, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return numbers, growth
}

// measured returns the shortest time of some runs, since what else runs on the machine only ever
// adds, and what one allocates, in MiB.
func measured(do func()) (shortest time.Duration, allocated float64) {
	do()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	runs, shortest := 0, time.Hour
	for begun := time.Now(); runs < 5 || runs < 100 && time.Since(begun) < time.Second; runs++ {
		start := time.Now()
		do()
		shortest = min(shortest, time.Since(start))
	}
	runtime.ReadMemStats(&after)
	return shortest, float64(after.TotalAlloc-before.TotalAlloc) / float64(runs) / (1 << 20)
}

// manyRules is a router with rules of many kinds, of other people: blocked sources, port rules,
// limits, lists.
func manyRules(n int) string {
	lines := []string{
		"/interface list", "add name=LAN", "/interface bridge", "add name=bridge1", "/interface list member", "add list=LAN interface=bridge1",
		"/ip address", "add address=192.0.2.1/24 interface=ether1", "add address=192.168.88.1/24 interface=bridge1", "/ip firewall filter",
		"add chain=input action=accept connection-state=established,related,untracked", "add chain=input action=drop connection-state=invalid",
	}
	for i := range n - 3 {
		lines = append(lines, []string{
			fmt.Sprintf("add chain=input action=drop protocol=tcp src-address=198.51.%d.%d dst-port=%d", i/256%256, i%256, 1+i*7%60000),
			fmt.Sprintf("add chain=input action=drop src-address=%d.%d.0.0/16", 11+i%80, i*3%256),
			fmt.Sprintf("add chain=input action=accept protocol=udp dst-port=%d in-interface=ether1", 10000+i),
			fmt.Sprintf("add chain=input action=add-src-to-address-list address-list=scan%d address-list-timeout=1h protocol=tcp dst-port=%d limit=5,5:packet", i%7, 20000+i),
			fmt.Sprintf("add chain=input action=drop src-address-list=scan%d protocol=tcp dst-port=%d", i%7, 30000+i),
			fmt.Sprintf("add chain=forward action=drop protocol=tcp src-address=198.51.%d.%d dst-port=%d", i/256%256, i%256, 1+i%60000),
		}[i%6])
	}
	return strings.Join(append(lines, "add chain=input action=drop in-interface-list=!LAN"), "\n") + "\n"
}

// blocking is a router that drops single sources, as many as there is room for, half of them in
// input.
func blocking(n int) string {
	lines := []string{"/interface list", "add name=LAN", "/ip firewall filter", "add chain=input action=accept connection-state=established,related"}
	for i := range n - 2 {
		lines = append(lines, fmt.Sprintf("add chain=%s action=drop protocol=tcp src-address=198.51.%d.%d dst-port=%d comment=\"rule %d\"", []string{"input", "forward"}[i%2], i/256%256, i%256, 1+i%60000, i))
	}
	return strings.Join(append(lines, "add chain=input action=drop in-interface-list=!LAN"), "\n") + "\n"
}

// cpuTime is what this process has computed so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func processor() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// busy is how many programs wanted to run in the last minute: where there are any, wall times say
// little.
func busy() string {
	data, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(data), " ")
	return load
}

func markdown(head []string, rows [][]string) string {
	var b strings.Builder
	for i, row := range slices.Insert(rows, 0, head) {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
		}
	}
	return b.String()
}

// rewritten replaces what stands between two marks of a page.
func rewritten(b *testing.B, name, text string) {
	b.Helper()
	const begin, end = "<!-- numbers -->\n", "<!-- end of the numbers -->\n"
	page, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	head, rest, found := strings.Cut(string(page), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		b.Fatalf("%s has no place for the numbers", name)
	}
	if err := os.WriteFile(name, []byte(head+begin+text+end+tail), 0o644); err != nil {
		b.Fatal(err)
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
func mebibytes(n float64) string     { return fmt.Sprintf("%.1f MiB", n) }
func percent(is, aim float64) string { return fmt.Sprintf("%.0f %%", 100*is/aim) }

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
