package apply_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/discover"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
)

// byHand are hand-written knock rules within the table of the matrix.
const byHand = openTable + `/ip firewall filter
add action=add-src-to-address-list address-list=first address-list-timeout=30s chain=input comment="their knock" dst-port=40100 protocol=tcp
add action=add-src-to-address-list address-list=in address-list-timeout=1h chain=input dst-port=20100 protocol=udp src-address-list=first
add action=accept chain=input comment="f\FCr alle" protocol=tcp dst-port=22 src-address-list=in
add action=accept chain=input comment="lan" in-interface-list=LAN
add action=drop chain=input comment="the rest"
`

// adopt recognises the knock of a place and adopts it, over a session of its own.
func (p *place) adopt(protect apply.Protection) apply.Result {
	s, err := p.dial(p.ctx)
	if err != nil {
		return apply.Result{Outcome: notBegun, Err: err}
	}
	defer s.Close()
	before, err := s.Snapshot(p.ctx)
	if err != nil {
		return apply.Result{Outcome: notBegun, Err: err}
	}
	found := discover.Router(before, discover.Options{Name: "m"})
	if len(found.Doors) == 0 && strings.Contains(fmt.Sprint(found.Missing), "already") {
		return apply.Result{Outcome: apply.Unchanged}
	}
	if !found.Adoption.Clean() {
		p.t.Fatalf("not to be adopted: %q", found.Adoption.Why())
	}
	return apply.Run(p.ctx, s, found.Adoption.Changes, apply.Options{Before: before, Plan: "m", Protect: protect, Dial: p.dial, Owner: "alice@example"})
}

// rulesOf is the filter table of a router, with its comments separately.
func rulesOf(s routeros.Snapshot) (rules, comments string) {
	var rows, said []string
	for _, r := range s.Rules[routeros.Filter] {
		rows = append(rows, r.ID+" "+r.Attrs.Without("comment").String())
		said = append(said, r.Comment())
	}
	return strings.Join(rows, "\n"), strings.Join(said, "\n")
}

// TestAdoptionMatrix: whatever fails at any sentence while rules are adopted, no rule changes
// except its comment, the comments are all old or all new as the outcome says, and one more run
// converges. ROSKNOCK_MATRIX is as for [TestMatrix].
func TestAdoptionMatrix(t *testing.T) {
	stride := matrixStride(t, 17)
	outcomes := map[apply.Outcome]int{}
	for offset, version := range []string{"7.14", "7.20"} {
		v, _ := routeros.ParseVersion(version)
		start, _ := rsc.Read([]byte(byHand)).Snapshot(rsc.Options{Version: v})
		rules, before := rulesOf(start)
		found := discover.Router(start, discover.Options{Name: "m"})
		after := changetest.After(t, start, found.Adoption.Changes)
		_, adopted := rulesOf(after)
		sentences := 0
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, version, sim.Knobs{}, start)
			defer p.close()
			p.on(func(sim.Request) sim.Action { sentences++; return sim.Action{} })
			if got := p.adopt(apply.Auto); got.Outcome != apply.Changed || len(got.Receipts) != 3 {
				t.Fatalf("without a fault: %s, %v", got.Outcome, got.Err)
			}
			p.calm()
			if _, comments := rulesOf(p.router.Snapshot()); comments != adopted {
				t.Fatalf("the comments are\n%s\nnot\n%s", comments, adopted)
			}
		})
		all := slices.DeleteFunc(faultsOf(trial{version: version, protect: apply.Auto}.guard()), fault.meddles)
		for i := offset; i < sentences*len(all) && !t.Failed(); i += stride {
			f, at := all[i%len(all)], 1+i/len(all)
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, version, sim.Knobs{}, start)
				defer p.close()
				n, then := 0, map[int]sim.ActionKind{}
				p.on(func(q sim.Request) sim.Action {
					if n++; n == at {
						then[q.Session] = f.then
						return f.do(p)
					}
					return sim.Action{Kind: then[q.Session]}
				})
				result := p.adopt(apply.Auto)
				outcomes[result.Outcome]++
				p.calm()
				synctest.Wait()
				time.Sleep(20 * time.Minute)
				now, comments := rulesOf(p.router.Snapshot())
				if now != rules {
					t.Errorf("%s at %d: %s, and rules changed:\n%s\nwere\n%s", f.name, at, result.Outcome, now, rules)
				}
				old := comments == before
				if !old && comments != adopted || result.Outcome == apply.Changed && old || result.Outcome != apply.Changed && result.Outcome != apply.Unknown && !old {
					t.Errorf("%s at %d: %s, %v, and the comments are\n%s", f.name, at, result.Outcome, result.Err, comments)
				}
				p.alone()
				if again := p.adopt(apply.Auto); again.Outcome != apply.Changed && again.Outcome != apply.Unchanged {
					t.Errorf("%s at %d: one more run: %s, %v", f.name, at, again.Outcome, again.Err)
				}
			})
		}
	}
	t.Logf("outcomes %v", outcomes)
}

// TestAdoptionOfTables: knocks that are recognised on real tables are adopted on a router, over a
// session, and then nothing is left to do.
func TestAdoptionOfTables(t *testing.T) {
	const mine = "/ip firewall filter\nadd chain=input action=accept src-address=" + operator + " comment=\"the operator\"\n"
	tables := map[string]string{}
	for _, name := range []string{"r01-official", "r03-article", "r04-jump-chain", "r06-icmp-size", "r09-mixed", "r10-isp"} {
		text, err := fixtures.Router("wild/" + name + ".rsc")
		if err != nil {
			t.Fatal(err)
		}
		tables[name] = string(text)
	}
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, _ := filepath.Glob(filepath.Join(root, "corpus", "exports", "*.rsc"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tables[filepath.Base(file)] = string(text)
	}
	adopted := 0
	for name, text := range tables {
		v, _ := routeros.ParseVersion("7.20")
		s, _ := rsc.Read([]byte(mine + text)).Snapshot(rsc.Options{Version: v})
		found := discover.Router(s, discover.Options{Name: "m"})
		if !found.Adoption.Clean() {
			if !strings.HasSuffix(name, ".rsc") {
				t.Errorf("%s: %q", name, found.Adoption.Why())
			}
			continue
		}
		adopted++
		rules, _ := rulesOf(s)
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, "7.20", sim.Knobs{}, s)
			defer p.close()
			if got := p.adopt(apply.Auto); got.Outcome != apply.Changed {
				t.Fatalf("%s: %s, %v", name, got.Outcome, got.Err)
			}
			after := p.router.Snapshot()
			if now, _ := rulesOf(after); now != rules {
				t.Errorf("%s: rules changed:\n%s\nwere\n%s", name, now, rules)
			}
			want, err := compile.Compile(found.Plan, after)
			if err != nil {
				t.Fatal(err)
			}
			if rest, err := diff.Compute(after, want, change.Management{}); err != nil || rest.Changed() {
				t.Errorf("%s: left to do: %v %+v", name, err, rest.Steps)
			}
		})
	}
	t.Logf("%d of %d tables adopted", adopted, len(tables))
	if floor := 6 + min(1, len(files)); adopted < floor {
		t.Errorf("%d tables adopted: there were %d", adopted, floor)
	}
}
