package expect

import (
	"fmt"
	"strings"
)

// Starter returns commented tests to begin with, which fit the plan of the same folder that
// rosknock init writes.
func Starter(plan string) []byte { return StarterOf(plan, []string{"ssh", "winbox"}, true) }

// StarterOf is [Starter] for a plan whose door opens some services, and which allows somebody or
// not.
func StarterOf(plan string, services []string, allows bool) []byte {
	return StarterFor(plan, services, services, allows)
}

// StarterFor is [StarterOf] for a plan that shuts more services for strangers than its door opens.
func StarterFor(plan string, shut, opened []string, allows bool) []byte {
	reaches, text := "["+strings.Join(opened, ", ")+"]", allowed
	if !allows {
		text = "  # The plan allows nobody yet. Once it does:\n" + commented(allowed)
	}
	return fmt.Appendf(nil, starter, plan, "["+strings.Join(shut, ", ")+"]", reaches, strings.ReplaceAll(text, "SERVICES", reaches))
}

// commented puts lines behind a #.
func commented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  #" + strings.TrimPrefix(line, " "))
	}
	return b.String()
}

const allowed = `  - name: who is allowed needs no knock
    from: allowed               # the allow-list of the plan
    reaches: SERVICES
    expect: accept
`

const starter = `# Tests of a firewall, for: rosknock test FILE -r ROUTER. Each is proved for all packets that it is about.
version: 1
plan: %s                 # whose doors the tests name; relative to this file

tests:
  - name: no stranger reaches what the plan gates
    from: stranger              # outside, and named by no rule and no address list
    reaches: %s
    expect: drop

  - name: the knock of the door admin opens it
    from: stranger
    after: {knock: admin}
    reaches: %s
    expect: accept

%s
  - name: nobody reaches what is switched off
    from: anyone
    reaches: [telnet, ftp, www]
    expect: drop

  # One packet, as rosknock trace takes it. What it leaves open, such as the source port, may be anything.
  # - name: WinBox from one address is dropped
  #   packet: tcp 203.0.113.9 :8291 in WAN
  #   expect: drop
`
