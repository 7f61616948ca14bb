package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/spf13/cobra"
)

// save keeps the changes of a diff in a file. What is refused for one router is kept for none.
func save(ctx context.Context, e access, jobs []job, routers []operate.Result, file string) error {
	if jobs == nil {
		return usagef("--save needs routers: what is computed from an export can't be applied")
	}
	if at := slices.IndexFunc(routers, func(r operate.Result) bool { return r.Err != nil }); at >= 0 {
		view.Say(e.err, "rosknock: nothing is saved, since %s has no changes that could be applied: %v\n", routers[at].Name, routers[at].Err)
		return nil // that router's error gives the exit code
	}
	first := jobs[0].plans[0]
	saved := state.Saved{Time: e.now(), Actor: actor(), Plan: string(plans.Write(first)), PlanDigest: first.Digest()}
	for _, risk := range e.accept {
		if risk = strings.ToLower(risk); risk != operate.ForeignChanges && risk != planCommands {
			saved.Accepted = append(saved.Accepted, risk)
		}
	}
	cas := authorities{}
	for i, r := range routers { // in the order of the jobs
		j := jobs[i]
		if j.plans[0].Rotates() {
			return usagef("--save: the plan %s rotates, and its steps are others by the time that they are carried out: use rosknock rotate then", j.plans[0].Name)
		}
		if len(j.plans) > 1 {
			return usagef("--save: %s has %d plans, and the second can't be computed before the first is carried out: name one", j.Name, len(j.plans))
		}
		one, err := savedWay(e, j.router, cas)
		if err != nil {
			return err
		}
		one.Identity, one.Serial, one.Version = r.Identity(), r.Snapshot.Serial, r.Snapshot.Version.String()
		one.Snapshot, one.Rows, one.Steps, one.States = r.Snapshot.Digest(), state.Rows(*r.Snapshot), state.Steps(*r.Changes), r.Proof.States
		if text := string(plans.Write(j.plans[0])); text != saved.Plan {
			one.Plan = text
		}
		saved.Routers = append(saved.Routers, one)
	}
	key, named, err := namedKey(ctx, e)
	if err == nil && !named {
		var dir state.Dir
		if dir, err = e.State(); err == nil {
			key, err = dir.ChangesKey()
		}
	}
	if err == nil {
		err = state.Save(file, saved, key)
	}
	if err != nil {
		return err
	}
	same := ""
	if named {
		same = ", with the same --changes-key"
	}
	e.remark("%s holds the changes and the knock, for you alone; next%s: rosknock apply --changes %s\n", file, same, file)
	return nil
}

// namedKey returns the key that several machines share, as the settings name it; false where they
// name none.
func namedKey(ctx context.Context, e access) (state.Key, bool, error) {
	if e.ChangesKey == "" {
		return state.Key{}, false, nil
	}
	c, err := plans.ParseCredential(e.ChangesKey)
	if err != nil || c.Kind == plans.Ask {
		return state.Key{}, false, usagef("--changes-key: say where the key is kept: file:PATH, env:NAME, keyring:NAME or command:LINE")
	}
	secret, err := e.credential(ctx, c, router{Member: fleet.Member{Name: "--changes-key"}})
	if err != nil && c.Kind != plans.FromEnv { // whose error says it already
		err = fmt.Errorf("--changes-key: %w", err)
	}
	if err != nil {
		return state.Key{}, false, err
	}
	secret = strings.TrimSpace(secret) // some keyrings keep the line end
	if sequence.CheckSecret([]byte(secret)) != nil {
		return state.Key{}, false, invalid(errors.New("--changes-key: the key is easily guessed: use a random one, such as the output of openssl rand -hex 32"))
	}
	key, err := state.NewKey([]byte(secret))
	return key, true, err
}

// authorities are texts of certificate authorities, by their file, each read once.
type authorities map[string]string

// savedWay is how a router is reached, as it is kept: with the pin that is known of it, and the
// place of its password, never the password.
func savedWay(e access, r router, cas authorities) (state.SavedRouter, error) {
	one := state.SavedRouter{
		Key: r.key(), Name: r.Name, Groups: r.Groups, Tags: r.Tags, Address: r.target.HostPort(), User: r.target.User, Transport: string(r.target.Transport), SSHJump: r.jump,
	}
	c := e.passwordPlace(r)
	if c.Kind == plans.FromFile {
		full, err := filepath.Abs(c.Value)
		if err != nil {
			return one, err
		}
		c.Value = full
	}
	one.Password = c.String()
	if r.target.Transport != api.TLS {
		return one, nil
	}
	target, _, err := e.known(r)
	if err != nil {
		return one, err
	}
	one.Pin = strings.ToLower(target.Trust.Pin)
	if r.ca == "" {
		return one, nil
	}
	if _, known := cas[r.ca]; !known {
		text, err := os.ReadFile(r.ca)
		if err != nil {
			return one, invalid(fmt.Errorf("--tls-ca: %w", err))
		}
		cas[r.ca] = string(text)
	}
	one.Authorities = cas[r.ca]
	return one, nil
}

// applySaved carries out saved changes on the routers that they were computed for, or on those of
// them that are named.
func applySaved(ctx context.Context, e access, file string, how changeFlags, to *results) error {
	saved, err := loadSaved(ctx, &e, file)
	if err != nil {
		if code, _ := codeOf(ctx, err); !how.dryRun && (code == exitRefused || code == exitInvalid) && !errors.Is(err, fs.ErrNotExist) {
			e.refusedRun(how.command, err)
		}
		return err
	}
	chosen, err := savedRouters(e, saved, file)
	if err != nil {
		return err
	}
	read := map[string]plans.Plan{}
	var all []task
	for _, one := range saved.Routers {
		r, ok := chosen[one.Name]
		if !ok {
			continue
		}
		if r.credential.Kind == plans.FromCommand && len(e.inventories) == 0 && how.dryRun {
			return operate.Refusef("%s: %s takes its password from a command (%s), and a dry run runs no command of the file: name it with --password-command, or the inventory with --inventory", r.Name, file, r.credential.Value)
		}
		text := cmp.Or(one.Plan, saved.Plan)
		if _, known := read[text]; !known {
			if read[text], err = savedPlan(ctx, e.env, r, file, text, saved.Authentic && !how.dryRun); err != nil {
				return err
			}
		}
		all = append(all, task{r, []operate.Operation{operate.ToPlan(how.command, read[text], &one)}})
	}
	if len(all) == 0 {
		return usagef("--changes %s: none of its routers is named", file)
	}
	return carryOut(ctx, e, all, how, to)
}

// loadSaved reads saved changes. It refuses files that were edited, files of unknown origin, and
// risks that only the file accepts. Before that, nothing in the file has any effect.
func loadSaved(ctx context.Context, e *access, file string) (state.Saved, error) {
	saved, err := state.Load(file, func(id string) (state.Key, error) { return keyOf(ctx, *e, id) })
	if code, _ := codeOf(ctx, err); err != nil && code == exitFailed {
		err = invalid(err)
	}
	if err == nil {
		err = safeFile(e.env, file, saved.Authentic)
	}
	if err != nil {
		return saved, err
	}
	for _, risk := range saved.Accepted {
		if !slices.Contains(risks(), risk) {
			return saved, invalid(fmt.Errorf("%s: it accepts %q, and there is no such risk: make it again with rosknock diff --save", file, risk))
		}
	}
	if e.foreign = !saved.Authentic; e.foreign {
		maker := fmt.Sprintf("by %s at %s UTC, as it says itself, and with the key %s, which is not known here", saved.Actor, saved.Time.UTC().Format(time.DateTime), saved.Key)
		if !e.accepts(operate.ForeignChanges) {
			return saved, operate.Refusef("%s was made %s, so anybody may have written it: make it again here, name the key that you share with them with --changes-key, "+
				"or, when you know where it comes from and have looked at it, accept with --accept-risk=%s", file, maker, operate.ForeignChanges)
		}
		view.Say(e.err, "rosknock: warning: %s was made %s: its certificates, authorities and places of passwords are ignored here\n", file, maker)
	}
	return saved, acceptAgain(ctx, e, file, saved.Accepted)
}

// keyOf returns the key of an id that is known here: that of the state folder, or the shared one;
// else the zero Key. The shared one is only looked up where the other is not meant.
func keyOf(ctx context.Context, e access, id string) (state.Key, error) {
	path, err := e.stateDir()
	if err != nil {
		return state.Key{}, err
	}
	own, err := state.OpenReading(path).KnownChangesKey()
	if err != nil || own.ID() == id {
		return own, err
	}
	named, _, err := namedKey(ctx, e)
	if err != nil || named.ID() != id {
		return state.Key{}, err
	}
	return named, nil
}

// safeFile warns of a file of changes that others can read. One that they can write is refused,
// where nothing shows who did.
func safeFile(e env, file string, authentic bool) error {
	info, err := os.Stat(file)
	if err != nil || !readByOthers(info) {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 && !authentic {
		return operate.Refusef("%s can be written by others (mode %04o), and nothing shows who did: check it again, and chmod 600 it", file, info.Mode().Perm())
	}
	view.Say(e.err, "rosknock: warning: %s can be read by others, and it holds the knock: chmod 600 %s\n", file, file)
	return nil
}

// acceptAgain wants the risks of a file to be accepted by the person who carries it out: by their
// names, or on the terminal. A file accepts nothing by itself.
func acceptAgain(ctx context.Context, e *access, file string, risks []string) error {
	var missing []string
	for _, risk := range risks {
		if !e.accepts(risk) {
			missing = append(missing, risk)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	refused := operate.Refusef("%s was made with accepted risks, and they have to be accepted again by the person who carries it out: --accept-risk=%s", file, strings.Join(missing, " --accept-risk="))
	if !e.inTerminal || e.Yes {
		return refused
	}
	ok, err := e.agrees(ctx, nil, func(w io.Writer) {
		view.Say(w, "%s was made with accepted risks: %s\naccept them again? ", file, strings.Join(missing, ", "))
	})
	if err != nil {
		return err
	}
	if !ok {
		return refused
	}
	e.accept = slices.Concat(e.accept, missing)
	return nil
}

// savedPlan reads the plan of saved changes. Its commands run where the file is obeyed, and it is
// refused elsewhere.
func savedPlan(ctx context.Context, e env, r router, file, text string, obeyed bool) (plans.Plan, error) {
	p, err := plans.Read(file, []byte(text))
	if err != nil {
		return p, invalid(fmt.Errorf("%s: the plan in it can't be read: %w", file, err))
	}
	if lines := commandsOf(p); len(lines) > 0 && !obeyed {
		return p, operate.Refusef("%s: its plan %s takes a secret from a command (%s), which runs neither in a dry run nor for changes that were made elsewhere: look with rosknock diff and the plan", file, p.Name, strings.Join(lines, "; "))
	}
	return e.resolved(ctx, p, r)
}

// savedRouters returns how to reach the routers of saved changes that are chosen, by name: as the
// inventory says, or else as they were reached then.
func savedRouters(e access, saved state.Saved, file string) (map[string]router, error) {
	var routers []router
	var err error
	if len(e.inventories) > 0 {
		routers, err = e.routersOf()
	} else {
		routers, err = savedTargets(e.settings, saved, file)
	}
	if err != nil {
		return nil, err
	}
	byName := map[string]state.SavedRouter{}
	for _, one := range saved.Routers {
		byName[one.Name] = one
	}
	out := map[string]router{}
	for _, r := range routers {
		one, ok := byName[r.Name]
		if !ok {
			continue
		}
		switch was := one.Address; {
		case r.target.HostPort() != was:
			return nil, invalid(fmt.Errorf("%s is %s by the inventory, and its changes were computed for %s: make them again", r.Name, r.target.HostPort(), was))
		case r.key() != one.Key:
			return nil, invalid(fmt.Errorf("%s is %s by the inventory, and its changes were computed for %s: make them again", r.Name, r.key(), one.Key))
		}
		if r, err = savedTrust(e, r, one, saved.Authentic); err != nil {
			return nil, err
		}
		out[r.Name] = r
	}
	return out, nil
}

// savedTargets returns the routers of saved changes that are chosen, as they were reached then.
// Flags override that, as they override an inventory.
func savedTargets(s settings, saved state.Saved, file string) ([]router, error) {
	named := func(one state.SavedRouter) func(string) bool {
		return func(name string) bool { return strings.HasSuffix("@"+name, "@"+one.Name) }
	}
	for _, name := range s.routers {
		if !slices.ContainsFunc(saved.Routers, func(one state.SavedRouter) bool { return named(one)(name) }) {
			return nil, usagef("--router %s: none of its routers is named so in %s", maskedTarget(name), file)
		}
	}
	var members []fleet.Member
	var there []state.SavedRouter
	for _, one := range saved.Routers {
		if len(s.routers) == 0 || slices.ContainsFunc(s.routers, named(one)) {
			site, _, _ := strings.Cut(one.Key, "/")
			if site == inventory.NoSite {
				site = ""
			}
			members, there = append(members, fleet.Member{Name: one.Name, Site: site, Groups: one.Groups, Tags: one.Tags}), append(there, one)
		}
	}
	indices, err := fleet.Select(members, s.limits)
	if err != nil {
		return nil, usagef("--limit: %w", err)
	}
	cas := pools{}
	var out []router
	for _, i := range indices {
		r, err := savedTarget(s, there[i], members[i], saved.Authentic, cas)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func savedTarget(s settings, one state.SavedRouter, m fleet.Member, authentic bool, cas pools) (router, error) {
	for _, text := range []string{one.Name, one.Address} {
		if why := inventory.CheckHost(text); why != "" {
			return router{}, invalid(fmt.Errorf("router %s: %q: %s", one.Name, text, why))
		}
	}
	from := inventory.Router{Name: one.Name, Site: m.Site, Groups: one.Groups, Tags: one.Tags, Address: one.Address, User: one.User, Transport: one.Transport, SSHJump: one.SSHJump}
	if authentic {
		var err error
		if from.Password, err = plans.ParseCredential(one.Password); one.Password != "" && err != nil {
			return router{}, invalid(fmt.Errorf("router %s: the place of its password can't be read", one.Name))
		}
	}
	r, err := s.router(from, cas)
	if err != nil {
		return r, err
	}
	if r.id = one.Key; one.Key != from.Key() && one.Key != inventory.NoSite+"/"+one.Address {
		return r, invalid(fmt.Errorf("router %s: %q is not its key", one.Name, one.Key))
	}
	if !authentic && r.target.Transport == api.Plain && s.Transport != string(api.Plain) {
		return r, operate.Refusef("router %s: changes that were made elsewhere want to reach it by the API in clear, which shows your password: say so yourself with --transport api", one.Name)
	}
	if one.Authorities != "" && authentic && !s.typed["tls-ca"] {
		if r.target.Trust.Roots, err = cas.parsed(one.Authorities, []byte(one.Authorities)); err != nil {
			return r, invalid(fmt.Errorf("router %s: its authorities: %w", one.Name, err))
		}
		r.remembers = r.target.Transport == api.TLS && remembered(r.target.Trust)
	}
	return r, nil
}

// savedTrust completes how a router's certificate is trusted by the pin that was known when the
// changes were saved, and refuses a router of which another one is known here.
func savedTrust(e access, r router, one state.SavedRouter, authentic bool) (router, error) {
	if one.Pin == "" || r.target.Transport != api.TLS {
		return r, nil
	}
	here, place := r.target.Trust.Pin, "the inventory, or --tls-pin"
	if here == "" {
		look := r
		look.remembers = true
		target, where, err := e.known(look)
		if err != nil {
			return r, err
		}
		here, place = target.Trust.Pin, where.place
	}
	switch {
	case here != "" && !strings.EqualFold(here, one.Pin):
		return r, operate.Refusef("%s: its changes were computed over the certificate %s, and known here is %s (%s): "+
			"compare with /certificate print on the router, and make the changes again", r.Name, one.Pin, here, place)
	case !authentic && r.target.Trust.Insecure && r.target.Trust.Pin == "" && here == "":
		r.target.Trust.Pin, r.remembers = one.Pin, false // less than anything
	case !authentic:
		r.said = one.Pin
	case r.target.Trust.Pin == "" && r.target.Trust.Roots == nil:
		r.target.Trust.Pin, r.remembers = one.Pin, false
	}
	return r, nil
}

// changesKeyFlag is of the commands that save changes and carry them out.
func changesKeyFlag(c *cobra.Command) {
	c.Flags().String("changes-key", "", "`PLACE` of the key that protects saved changes: file:PATH, env:NAME, keyring:NAME or command:LINE; default: the key of the state folder")
}
