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

// BenchmarkFleet measures a fleet as its operator sees it: rosknock and the simulated routers are programs of their own, over TLS on
// loopback, with 60 rules a router and a round trip of 50 ms. It reports wall and CPU time and the peak of memory of rosknock alone, and
// the peak of the simulated routers. Run it with -benchtime 1x: each round provisions a new fleet.
func BenchmarkFleet(b *testing.B) {
	for _, n := range []int{100, 1000} {
		for _, forks := range []int{32, 128} {
			b.Run(fmt.Sprintf("routers=%d/forks=%d", n, forks), func(b *testing.B) {
				for b.Loop() {
					benchFleet(b, n, forks)
				}
			})
		}
	}
}

func benchFleet(b *testing.B, n, forks int) {
	dir := b.TempDir()
	b.Setenv("ROSKNOCK_PASSWORD", "x")
	b.Setenv("ROSKNOCK_STATE_DIR", filepath.Join(dir, "state"))
	for name, text := range map[string]string{"sixty.rsc": sixtyRules(), "plan.yaml": strings.ReplaceAll(branchPlan, "${office}", "127.0.0.1")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	fleet := filepath.Join(dir, "fleet.yaml")
	routers := command(b.Context(), "sim", "--count", fmt.Sprint(n), "--listen", "127.0.0.1:21000", "--tls", "--rtt", "50ms", "--load", filepath.Join(dir, "sixty.rsc"), "--write-inventory", fleet)
	stderr, err := routers.StderrPipe()
	if err == nil {
		err = routers.Start()
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
	b.ResetTimer()
	for _, step := range []struct {
		name string
		args []string
	}{{"first-diff", []string{"diff"}}, {"first-apply", []string{"apply", "--yes"}}, {"noop-diff", []string{"diff", "--exit-code"}}} {
		c := command(b.Context(), append(step.args, filepath.Join(dir, "plan.yaml"), "-i", fleet, "-o", "csv", "--forks", fmt.Sprint(forks))...)
		start := time.Now()
		if err := c.Run(); err != nil {
			b.Fatalf("%s: %v", step.name, err)
		}
		b.ReportMetric(time.Since(start).Seconds(), step.name+"-s")
		b.ReportMetric((c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds(), step.name+"-cpu-s")
		b.ReportMetric(peak(c), step.name+"-MiB")
	}
	_ = routers.Process.Signal(os.Interrupt)
	_ = routers.Wait()
	b.ReportMetric(peak(routers), "sim-MiB")
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
