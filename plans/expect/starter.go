package expect

import "fmt"

// Starter returns commented tests to begin with, which fit the plan of the same folder that
// rosknock init writes.
func Starter(plan string) []byte { return fmt.Appendf(nil, starter, plan) }

const starter = `# Tests of a firewall, for: rosknock test FILE -r ROUTER. Each is proved for all packets that it is about.
version: 1
plan: %s                 # whose doors the tests name; relative to this file

tests:
  - name: no stranger reaches what the plan gates
    from: stranger              # outside, and named by no rule and no address list
    reaches: [ssh, winbox]
    expect: drop

  - name: the knock of the door admin opens it
    from: stranger
    after: {knock: admin}
    reaches: [ssh, winbox]
    expect: accept

  - name: who is allowed needs no knock
    from: allowed               # the allow-list of the plan
    reaches: [ssh, winbox]
    expect: accept

  - name: nobody reaches what is switched off
    from: anyone
    reaches: [telnet, ftp, www]
    expect: drop

  # One packet, as rosknock trace takes it. What it leaves open, such as the source port, may be anything.
  # - name: WinBox from one address is dropped
  #   packet: tcp 203.0.113.9 :8291 in WAN
  #   expect: drop
`
