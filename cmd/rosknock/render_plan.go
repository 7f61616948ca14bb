package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/render"
	"github.com/rosknock/rosknock/plans/sequence"
)

// renderPlan writes what is made from a plan alone. Secrets are looked up for what shows them only.
func renderPlan(ctx context.Context, e access, o renderFlags, format render.Format, args []string) (string, error) {
	routers := []router{bareRouter(e.settings, o.host)}
	if len(e.routers)+len(e.inventories) > 0 {
		var err error
		if routers, err = e.routersOf(); err != nil {
			return "", err
		}
	}
	resolve := format.Secret() || e.Reveal && format != render.SSHConfig
	jobs, err := e.plannedWith(routers, args, func(p plans.Plan, r router) (plans.Plan, error) {
		if !resolve {
			return p, nil
		}
		if len(e.routers)+len(e.inventories) == 0 {
			if err := e.mayRun(ctx, p); err != nil {
				return p, err
			}
		}
		return e.resolved(ctx, p, r)
	})
	if err != nil {
		return "", err
	}
	warnOfReaders(e.env, jobs, args)
	if format == render.SSHConfig {
		return renderSSH(e, o, jobs, args[0])
	}
	if len(jobs) != 1 {
		return "", usagef("--format %s is for one router, and there are %d: choose one with --limit", format, len(jobs))
	}
	j := jobs[0]
	if !resolve {
		return picture(format, render.Picture{Plan: j.plans[0].Name, Doors: doorsOf(j.plans[0], o.door)}, o)
	}
	clients, err := clients(ctx, e, o, j)
	if err != nil {
		return "", err
	}
	switch format {
	case render.KnockdConf:
		return render.Knockd(clients)
	case render.QR, render.PhoneApp:
		if clients[0].Host == "" {
			return "", usagef("--format %s: name the router with --host, --router or --inventory: the app knocks at no other", format)
		}
		if format == render.QR {
			return render.Page(clients)
		}
		return render.KnockOnPorts(clients)
	case render.ShellText, render.PowerShell, render.CmdFile:
		if len(clients) != 1 {
			_, _, err := chooseDoor(j.plans, "")
			return "", err
		}
		if format != render.ShellText {
			return render.PowerShellScript(clients[0]), nil
		}
		return render.Shell(clients[0])
	}
	p := render.Picture{Plan: j.plans[0].Name, Reveal: true, Windows: map[string]*render.Window{}}
	for _, c := range clients {
		p.Doors, p.Windows[c.Door.Name] = append(p.Doors, c.Door), c.Window
	}
	return picture(format, p, o)
}

// picture draws doors.
func picture(format render.Format, p render.Picture, o renderFlags) (string, error) {
	if len(p.Doors) == 0 {
		return "", usagef("--door %s: there is no such door in the plan %s", o.door, p.Plan)
	}
	if format == render.SVG {
		return render.Draw(p), nil
	}
	return render.Mermaid(p), nil
}

// doorsOf are the doors of a plan, or the one of that name.
func doorsOf(p plans.Plan, name string) []plans.Door {
	var out []plans.Door
	for _, d := range p.Doors {
		if name == "" || name == d.Name {
			out = append(out, d)
		}
	}
	return out
}

// clients are the doors of a job's plan with their knocks, those of the present window.
func clients(ctx context.Context, e access, o renderFlags, j job) ([]render.Client, error) {
	p := j.plans[0]
	if p.Doors = doorsOf(p, o.door); len(p.Doors) == 0 {
		_, _, err := chooseDoor(j.plans, o.door)
		return nil, err
	}
	windows := map[string]*render.Window{}
	for _, d := range p.Doors {
		windows[d.Name] = windowOfDoor(e, d)
	}
	if p.Rotates() {
		identity, err := identityOf(e.settings, o, j, p.Doors[0])
		if err != nil {
			return nil, err
		}
		if p, err = e.derived(ctx, j.plans[0], j.router, identity, func(w sequence.Schedule) []int64 { return []int64{w.At(e.knocksAt())} }); err != nil {
			return nil, err
		}
		p.Doors = doorsOf(p, o.door)
	}
	var out []render.Client
	for _, d := range p.Doors {
		out = append(out, render.Client{Plan: p.Name, Door: d, Host: hostOf(j.router), Families: p.Firewall.Families, Window: windows[d.Name]})
	}
	return out, nil
}

// identityOf is the router's own name, from which rotating knocks follow.
func identityOf(s settings, o renderFlags, j job, d plans.Door) (string, error) {
	switch {
	case o.identity != "":
		return o.identity, nil
	case len(s.inventories) > 0:
		return j.Name, nil
	}
	return "", usagef("the knock of door %s follows from the router's own name, which /system identity print shows: give it with --identity", d.Name)
}

// renderSSH writes Host blocks for routers. Where several doors lead to ssh, each gets a block of
// its own.
func renderSSH(e access, o renderFlags, jobs []job, file string) (string, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	var hosts []render.SSHHost
	for _, j := range jobs {
		p := j.plans[0]
		if hostOf(j.router) == "" {
			return "", usagef("--format ssh-config: name the router with --host, --router or --inventory")
		}
		doors, err := sshDoors(p, o.door)
		if err != nil {
			return "", err
		}
		for _, d := range doors {
			h := render.SSHHost{Name: sshName(j.router), Address: hostOf(j.router), User: j.target.User, Plan: p, File: file, Door: d}
			if len(doors) > 1 {
				h.Name += "-" + d.Name
			}
			if d.Rotate != nil {
				if h.Identity, err = identityOf(e.settings, o, j, d); err != nil {
					return "", err
				}
			}
			hosts = append(hosts, h)
		}
	}
	text, err := render.SSH(hosts)
	if err != nil {
		return "", invalid(err)
	}
	return text, nil
}

// sshName is what ssh calls a router: its name, without the user and the port of the API that one
// named by --router carries.
func sshName(r router) string {
	if strings.ContainsAny(r.Name, "@:[]") {
		return hostOf(r)
	}
	return r.Name
}

// sshDoors are the doors through which ssh gets in.
func sshDoors(p plans.Plan, name string) ([]plans.Door, error) {
	all := doorsOf(p, name)
	var out []plans.Door
	for _, d := range all {
		if render.OpensSSH(p, d) {
			out = append(out, d)
		}
	}
	switch {
	case len(all) == 0:
		_, _, err := chooseDoor([]plans.Plan{p}, name)
		return nil, err
	case len(out) == 0 && name != "":
		return nil, invalid(&render.CannotError{Format: render.SSHConfig, Door: name, What: "it does not open ssh: name another, or let it open ssh"})
	case len(out) == 0:
		return nil, invalid(fmt.Errorf("ssh-config: %w", errors.New("no door of the plan opens ssh: let one open it")))
	}
	return out, nil
}
