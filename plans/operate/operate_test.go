package operate_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
)

// desk is all that an operation needs, without a terminal.
type desk struct {
	router *sim.Router
	folder string
	answer bool // to every question
	asked  int
	mu     *sync.Mutex
	said   *strings.Builder
}

func (d *desk) Connect(ctx context.Context) (*api.Session, error) {
	client, server := net.Pipe()
	go d.router.ServeConn(context.WithoutCancel(ctx), server)
	return api.NewSession(ctx, client, "admin", "", api.Options{})
}

func (d *desk) Secret(context.Context, plans.Credential) (string, error) { return "", nil }

func (d *desk) Confirm(context.Context, operate.Result) (bool, error) {
	d.asked++
	return d.answer, nil
}

func (d *desk) Knock(context.Context, netip.Addr, []plans.Stage) error { return nil }
func (d *desk) State() (state.Dir, error)                              { return state.Open(d.folder) }
func (d *desk) Changing(apply.Protection) func()                       { return func() {} }
func (d *desk) Now() time.Time                                         { return time.Now() }

func (d *desk) History() (*state.History, error) {
	dir, err := d.State()
	if err != nil {
		return nil, err
	}
	return dir.History()
}

func (d *desk) Known() (*state.Known, error) {
	dir, err := d.State()
	if err != nil {
		return nil, err
	}
	return dir.Known()
}

func (d *desk) Tell(_ operate.Kind, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.said, format, args...)
}

// two are desks of two routers with one state folder, and the branch plan.
func two(t *testing.T) (desks []*desk, p plans.Plan) {
	t.Helper()
	text, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := fixtures.Plan("forward.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if p, err = plans.Read("branch.yaml", plan); err != nil {
		t.Fatal(err)
	}
	folder, said, mu := filepath.Join(t.TempDir(), "state"), &strings.Builder{}, &sync.Mutex{}
	for _, minor := range []int{20, 16} { // with safe mode, and with a dead-man
		s, _ := rsc.Read(text).Snapshot(rsc.Options{})
		router := sim.New(sim.Options{Version: routeros.Version{Major: 7, Minor: minor}})
		if err := router.Load(s); err != nil {
			t.Fatal(err)
		}
		desks = append(desks, &desk{router: router, folder: folder, answer: true, mu: mu, said: said})
	}
	return desks, p
}

func routerOf(i int) operate.Router {
	return operate.Router{Name: fmt.Sprint("r", i), Key: fmt.Sprint("-/r", i), Address: fmt.Sprintf("192.0.2.%d:8729", i), User: "admin", Service: "api-ssl"}
}

// TestSeveral: one operation is carried out on several routers at once, and each gets its own.
func TestSeveral(t *testing.T) {
	desks, p := two(t)
	o := operate.Options{Actor: "anna", Several: true, Protect: apply.Auto}
	all := func(op operate.Operation, want apply.Outcome) {
		t.Helper()
		var wait sync.WaitGroup
		for i, d := range desks {
			wait.Go(func() {
				if out := operate.Run(t.Context(), d, o, op, routerOf(i)); out.Outcome != want || out.Err != nil {
					t.Errorf("r%d: %s, not %s: %v", i, out.Outcome, want, out.Err)
				}
			})
		}
		wait.Wait()
	}
	all(operate.ToPlan("apply", p, nil), apply.Changed)
	all(operate.ToPlan("apply", p, nil), apply.Unchanged)
	all(operate.Undo(""), apply.Changed)
	all(operate.ToPlan("apply", p, nil), apply.Changed)
}

// TestNo: after a no, nothing is changed and nothing is begun, and the journal says that it was
// asked.
func TestNo(t *testing.T) {
	desks, p := two(t)
	d := desks[0]
	d.answer = false
	out := operate.Run(t.Context(), d, operate.Options{Actor: "anna", Asks: true}, operate.ToPlan("apply", p, nil), routerOf(0))
	if out.Outcome != apply.Skipped || out.Err != nil || out.Applied != nil || d.asked != 1 {
		t.Errorf("%s, %v, asked %d times", out.Outcome, out.Err, d.asked)
	}
	history, err := d.History()
	if err != nil {
		t.Fatal(err)
	}
	records, err := history.Records("-/r0")
	if err != nil || len(records) != 1 || records[0].Event != state.End || records[0].Outcome != string(apply.Skipped) || records[0].Plan != p.Name {
		t.Errorf("%+v, %v", records, err)
	}
}

// TestDryRun: a look and a dry run write nothing, not even the journal.
func TestDryRun(t *testing.T) {
	desks, p := two(t)
	d := desks[0]
	op := operate.ToPlan("apply", p, nil)
	looked := operate.Look(t.Context(), d, operate.Options{}, routerOf(0), true, op)
	tried := operate.Run(t.Context(), d, operate.Options{DryRun: true, Protect: apply.Auto}, op, routerOf(0))
	if len(looked) != 1 || looked[0].Outcome != "" || looked[0].Became() != apply.Changed || tried.Outcome != apply.Skipped || d.asked != 0 {
		t.Errorf("%+v, %s", looked, tried.Outcome)
	}
	if there, _ := filepath.Glob(filepath.Join(d.folder, "journal*")); len(there) > 0 {
		t.Error(there)
	}
}

// TestOtherHardware: another box under a remembered name is refused, and only warned of by those
// who do not change it.
func TestOtherHardware(t *testing.T) {
	desks, p := two(t)
	d := desks[0]
	known, err := d.Known()
	if err == nil {
		err = known.AddSerial("-/r0", "ANOTHER")
	}
	if err != nil {
		t.Fatal(err)
	}
	out := operate.Run(t.Context(), d, operate.Options{}, operate.ToPlan("apply", p, nil), routerOf(0))
	if out.Outcome != apply.Refused || !strings.HasPrefix(out.Err.Error(), operate.OtherHardware) {
		t.Errorf("%s: %v", out.Outcome, out.Err)
	}
	if out := operate.Read(t.Context(), d, operate.Options{}, routerOf(0), operate.Rules); out.Err != nil || !strings.Contains(d.said.String(), operate.OtherHardware) {
		t.Errorf("%v: %q", out.Err, d.said)
	}
}
