package main

import (
	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/operate"
)

func newAudit(e env) *cobra.Command {
	var export string
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show who can reach what on a router, and what its knocks are worth",
		Long: `Look at a router without any plan, and show: what runs on it and who can reach it (anyone,
the LAN, an allow-list, those who have knocked, nobody): services, VPNs, DNS, SNMP, NTP, proxies,
the bandwidth test, UPnP, SMB, and access below IP; which knocks its rules make and how they
withstand a scan; which rules do nothing; and other weaknesses. Nothing is written.

An interface leads outside when it is in the list WAN, has a default route, or has a public address
where no default route is known. It counts as the LAN when it is in the list LAN or has other
addresses. What hangs on something that neither a packet nor the configuration tells is said with
"perhaps". What is off is named, and what an export does not show is "not known".`,
		Example: `  rosknock audit -r admin@192.0.2.1
  rosknock audit --export router.rsc -o json`,
		Args: exactly(0, "audit takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			r := e.shownBy(func(sink view.Sink) flow { return of[view.Audited]{view.AuditsOf(sink), audited} })
			if err := readAll(c.Context(), e, export, operate.WithServers, nil, r); err != nil {
				return err
			}
			return r.finish(c.Context())
		}),
	}
	exportFlags(c, &export, nil)
	return c
}

// audited looks at a router that was read.
func audited(r operate.Result) view.Audited {
	a := view.Audited{Result: r}
	if r.Err == nil {
		a.Report = audit.Router(*r.Snapshot)
		a.Findings = lint.Router(*r.Snapshot, a.Report)
	}
	return a
}
