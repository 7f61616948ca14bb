//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sixtyRules is a router with 60 filter rules.
func sixtyRules() string {
	lines := []string{
		"/interface list", "add name=WAN", "add name=LAN", "/interface bridge", "add name=bridge1", "/interface list member", "add interface=ether1 list=WAN", "add interface=bridge1 list=LAN",
		"/ip address", "add address=192.168.88.1/24 interface=bridge1", "add address=203.0.113.2/24 interface=ether1", "/ip firewall filter",
		"add chain=input action=accept connection-state=established,related,untracked", "add chain=input action=drop connection-state=invalid", "add chain=input action=accept protocol=icmp",
	}
	for i := range 25 {
		lines = append(lines, fmt.Sprintf("add chain=input action=accept protocol=tcp dst-port=%d src-address=198.51.%d.0/24 comment=\"allow %d\"", 7000+i, i, i))
	}
	lines = append(lines, "add chain=input action=drop in-interface-list=!LAN", "add chain=forward action=accept connection-state=established,related")
	for i := range 30 {
		lines = append(lines, fmt.Sprintf("add chain=forward action=accept protocol=tcp dst-port=%d in-interface-list=LAN comment=\"forward %d\"", 8000+i, i))
	}
	return strings.Join(lines, "\n") + "\n"
}

// BenchmarkFleet measures a fleet as its operator sees it: rosknock and the simulated routers are
// programs of their own, over TLS on loopback, with 60 rules a router and a round trip of 50 ms. It
// reports wall and CPU time and the peak of memory of rosknock alone. Run it with -benchtime 1x:
// each round provisions a new fleet.
func BenchmarkFleet(b *testing.B) {
	for _, n := range []int{100, 1000} {
		for _, forks := range []int{0, 32, 128} {
			b.Run(fmt.Sprintf("routers=%d/forks=%d", n, forks), func(b *testing.B) {
				for b.Loop() {
					f := provision(b, n, 50*time.Millisecond, sixtyRules())
					b.ResetTimer()
					for _, step := range []string{"diff", "apply --yes", "diff --exit-code"} {
						spent := f.run(b, forks, strings.Fields(step)...)
						name := strings.ReplaceAll(step, " ", "")
						b.ReportMetric(spent.wall.Seconds(), name+"-s")
						b.ReportMetric(spent.cpu.Seconds(), name+"-cpu-s")
						b.ReportMetric(spent.peak, name+"-MiB")
					}
					f.end()
				}
			})
		}
	}
}

// distant are routers in a program of their own.
type distant struct {
	dir, inventory string
	program        *exec.Cmd
}

// spent is what a run has taken.
type spent struct {
	wall, cpu time.Duration
	peak      float64 // of memory, in MiB
}

// provision starts routers with the same rules.
func provision(b *testing.B, n int, rtt time.Duration, rules string) distant {
	b.Helper()
	dir := b.TempDir()
	b.Setenv("ROSKNOCK_PASSWORD", "x")
	b.Setenv("ROSKNOCK_STATE_DIR", filepath.Join(dir, "state"))
	for name, text := range map[string]string{"rules.rsc": rules, "plan.yaml": strings.ReplaceAll(branchPlan, "${office}", "127.0.0.1")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	f := distant{dir: dir, inventory: filepath.Join(dir, "fleet.yaml")}
	f.program = command(b.Context(), "sim", "--count", fmt.Sprint(n), "--listen", "127.0.0.1:21000", "--tls", "--rtt", rtt.String(), "--load", filepath.Join(dir, "rules.rsc"), "--write-inventory", f.inventory)
	stderr, err := f.program.StderrPipe()
	if err == nil {
		err = f.program.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	for line := ""; !strings.HasPrefix(line, "stop with"); {
		if line, err = lines.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return f
}

// end stops the routers.
func (f distant) end() {
	_ = f.program.Process.Signal(os.Interrupt)
	_ = f.program.Wait()
}

// run runs rosknock over all routers, with 0 forks as many at once as it finds right.
func (f distant) run(b *testing.B, forks int, args ...string) spent {
	b.Helper()
	c := command(b.Context(), append(args, filepath.Join(f.dir, "plan.yaml"), "-i", f.inventory, "-o", "csv")...)
	if forks > 0 {
		c.Args = append(c.Args, "--forks", fmt.Sprint(forks))
	}
	start := time.Now()
	if err := c.Run(); err != nil {
		b.Fatalf("%s: %v", args[0], err)
	}
	return spent{time.Since(start), c.ProcessState.UserTime() + c.ProcessState.SystemTime(), peak(c)}
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "rosknock", args...)
}

// peak is the most memory that a program had.
func peak(c *exec.Cmd) float64 {
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		return float64(usage.Maxrss) / 1024
	}
	return 0
}
