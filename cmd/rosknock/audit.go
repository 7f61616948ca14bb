package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/operate"
)

func newAudit(e env) *cobra.Command {
	a := auditRun{}
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
"perhaps". What is off is named, and what an export does not show is "not known".

Of several routers, equal answers are shown once, the worst first; -v shows each router. For checks
in a pipeline, --max-exposure and --exit-code make the exit code 4. What was decided on, with its
reason, stands in an accept file: it is shown, and fails no check. --since shows what changed since
an earlier audit alone.

--report writes a page of all routers, on which equal answers stand once, with filters. --junit,
--sarif and --metrics write the same for CI systems, for code hosts, and for monitoring. Cases and
results fail by --max-exposure and --exit-code; without them none does.`,
		Example: `  rosknock audit -r admin@192.0.2.1
  rosknock audit --export router.rsc -o json
  rosknock audit -i fleet.yaml --max-exposure LAN --accept audit-accept.yaml
  rosknock audit -i fleet.yaml --since last-week.json
  rosknock audit -i fleet.yaml --report audit.html --sarif audit.sarif --exit-code`,
		Args: exactly(0, "audit takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			a.access = e
			if err := a.prepare(); err != nil {
				return err
			}
			return a.run(c.Context())
		}),
	}
	f := c.Flags()
	f.StringVar(&a.widest, "max-exposure", "anyone", "exit code 4 when more than `WHO` reach something, perhaps or for sure: "+strings.Join(lint.Audiences(), ", "))
	f.BoolVar(&a.check.Strict, "exit-code", false, "exit code 4 when there is a finding to refuse, or a warning")
	f.StringVar(&a.file, "accept", "", "findings and exposures that were decided on, from an accept `FILE.yaml`")
	f.StringVar(&a.since, "since", "", "show what changed since an earlier audit, a `FILE.json` of -o json")
	a.files.flags(c)
	exportFlags(c, &a.export, nil)
	return c
}

// maxAudits bounds a file of earlier audits: some 10 KB a router.
const maxAudits = 256 << 20

// auditRun is an audit of routers.
type auditRun struct {
	access
	export   string
	widest   string // as it was written
	check    view.Check
	file     string // of acceptances
	since    string // a file of an earlier audit
	files    auditFiles
	began    time.Time
	earlier  *view.Earlier
	accepted []lint.Acceptance
	refused  atomic.Bool
}

// prepare reads the accept file, and what may be exposed.
func (a *auditRun) prepare() error {
	i := slices.Index(lint.Audiences(), a.widest)
	if i < 0 {
		return usagef("--max-exposure %q: choose one of %s", a.widest, strings.Join(lint.Audiences(), ", "))
	}
	a.check.Widest, a.began = lint.Audience(i), a.now()
	if a.since != "" {
		data, err := readFile(a.since, maxAudits)
		if err != nil {
			return invalid(err)
		}
		earlier, err := view.ReadAudits(data)
		if err != nil {
			return invalid(fmt.Errorf("%s: %w", a.since, err))
		}
		a.earlier = &earlier
	}
	if a.file == "" {
		return nil
	}
	data, err := readFile(a.file, maxPlan)
	if err != nil {
		return invalid(err)
	}
	a.accepted, err = lint.ReadAccept(a.file, data)
	return err
}

func (a *auditRun) run(ctx context.Context) error {
	r := a.noted(&results{})
	r.begin = func(routers int) ([]flow, error) {
		to, err := a.flows(r, routers)
		return []flow{of[view.Audited]{to, a.audited}}, err
	}
	if err := readAll(ctx, a.access, a.export, operate.WithServers, nil, r); err != nil {
		return err
	}
	if err := r.end(); err != nil {
		return err
	}
	if err := r.code(ctx); err != nil || !a.refused.Load() {
		return err
	}
	return shown(exitRefused)
}

// audited looks at a router that was read.
func (a *auditRun) audited(r operate.Result) view.Audited {
	out := view.Audited{Result: r}
	if r.Err != nil {
		return out
	}
	out.Report = audit.Router(*r.Snapshot)
	if r.Cut != "" {
		out.Notes = append(out.Notes, "this is not a whole export, since "+r.Cut+": nothing is known of servers in menus that it does not show")
	}
	out.Findings = lint.Router(*r.Snapshot, out.Report)
	out.Accepted = lint.Accepted(a.accepted, r.Name, a.Now(), out.Findings)
	out.Decided = lint.Decided(a.accepted, r.Name, a.Now())
	if a.check.Fails(out) {
		a.refused.Store(true)
	}
	return out
}
