package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/wire"
)

// Snapshot reads everything that rosknock needs to know about a router, in one batch: one round
// trip. Menus that this router doesn't have leave their part empty. Without the IPv4 filter, the
// services or the system's resources there is an error. There is also an error if the user may not
// read a menu that decides who gets in: an unreadable table is not an empty one. Name, clock and
// active users may stay unknown.
func (s *Session) Snapshot(ctx context.Context) (routeros.Snapshot, error) {
	snapshot, _, err := s.snapshot(ctx, snapshotParts())
	return snapshot, err
}

// SnapshotWith is [Session.Snapshot] with further commands in the same batch, before it.
func (s *Session) SnapshotWith(ctx context.Context, also ...routeros.Command) (routeros.Snapshot, []Result, error) {
	return s.snapshot(ctx, snapshotParts(), also...)
}

// SnapshotWithNTP is [Session.Snapshot] with the state of the NTP client, in the same batch.
func (s *Session) SnapshotWithNTP(ctx context.Context) (routeros.Snapshot, error) {
	snapshot, _, err := s.snapshot(ctx, append(snapshotParts(), part{menu: routeros.NTPMenu, need: mayHide, fill: fillNTP}))
	return snapshot, err
}

// SnapshotWithServers is [Session.Snapshot] with what the router's own servers are set to, in the same
// batch: [routeros.ServerMenus].
func (s *Session) SnapshotWithServers(ctx context.Context) (routeros.Snapshot, error) {
	parts := snapshotParts()
	for _, m := range routeros.ServerMenus() {
		parts = append(parts, part{menu: m, need: mayFail, fill: fillSettings, setting: true})
	}
	snapshot, _, err := s.snapshot(ctx, parts)
	return snapshot, err
}

func (s *Session) snapshot(ctx context.Context, parts []part, also ...routeros.Command) (routeros.Snapshot, []Result, error) {
	var large []routeros.Menu // known to be, from an earlier reading
	parts = slices.DeleteFunc(parts, func(p part) bool {
		_, known := s.lists.of(p.menu)
		if known {
			large = append(large, p.menu)
		}
		return known
	})
	commands := slices.Clone(also)
	entries := make([][]routeros.ListEntry, len(parts))
	calls := make([]*call, len(also)+len(parts))
	for i := range calls {
		calls[i] = &call{done: make(chan struct{})}
	}
	for i, p := range parts {
		// Whole rows: a proplist can lose columns on 6.49 and rows on some builds (routeros-facts §
		// 1.5). Where passwords stand in a row, a lost one is the smaller harm.
		commands = append(commands, p.print())
		if p.fill == nil {
			calls[len(also)+i].take, calls[len(also)+i].most = gatherer(&entries[i]), mostEntries
		}
	}
	results, err := s.batchFor(ctx, s.timeout, commands, calls)
	if err != nil {
		return routeros.Snapshot{}, nil, err
	}
	answers := results[len(also):]
	for i, p := range parts {
		if errors.Is(answers[i].Err, errCut) {
			large, entries[i], answers[i] = append(large, p.menu), nil, Result{}
		}
	}
	snapshot, err := s.assembled(parts, answers, entries)
	if err == nil {
		err = s.large(ctx, &snapshot, large)
	}
	return snapshot, results[:len(also)], err
}

// assembled makes a snapshot from the answers to its parts; entries are those of address lists.
func (s *Session) assembled(parts []part, results []Result, entries [][]routeros.ListEntry) (routeros.Snapshot, error) {
	snapshot := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{}, Entries: map[routeros.Menu][]routeros.ListEntry{}}
	for i, p := range parts {
		if err := results[i].Err; err != nil {
			if !p.need.excuses(err) {
				return routeros.Snapshot{}, err
			}
			var missing *UnknownMenuError
			switch lacks := errors.As(err, &missing); {
			case p.setting && lacks:
				_ = fillSettings(&snapshot, p.menu, routeros.Lacks())
			case p.setting, !lacks && slices.Contains(routeros.NetworkMenus(), p.menu), p.identifies() && !isAnswer(err):
				snapshot.Untold = append(snapshot.Untold, p.menu)
			}
			continue
		}
		if p.fill == nil {
			snapshot.Entries[p.menu] = entries[i]
			continue
		}
		if err := p.read(&snapshot, results[i].Rows); err != nil {
			return routeros.Snapshot{}, fmt.Errorf("%s: %s: %w", s.target.HostPort(), p.menu, err)
		}
		results[i] = Result{} // a large table should not be in memory twice for longer than necessary
	}
	return snapshot, nil
}

// need says which parts a snapshot can do without.
type need int

const (
	required need = iota // there is no snapshot without it
	mayLack              // a router may not have the menu
	mayHide              // nor may the user be allowed to read it
	mayFail              // nor is it said why there is no answer
)

// excuses reports whether a snapshot may lack a part because of this error.
func (n need) excuses(err error) bool {
	var menu *UnknownMenuError
	var permission *PermissionError
	var trap *TrapError
	return n >= mayLack && errors.As(err, &menu) || n >= mayHide && errors.As(err, &permission) || n == mayFail && errors.As(err, &trap)
}

// part is one menu of a snapshot.
type part struct {
	menu routeros.Menu
	need need
	// fill is nil for address lists, whose entries are gathered while they come.
	fill func(*routeros.Snapshot, routeros.Menu, []routeros.Attributes) error
	// setting says that it is about the router's own servers.
	setting bool
}

// mostSplit bounds a menu with values that are lists: a comma list takes sixteen times its size
// once it is split. Such menus have a few rows of a few names or prefixes.
const mostSplit = 1 << 20

// print is the command that reads a part.
func (p part) print() routeros.Command {
	if p.setting {
		return routeros.ServerPrint(p.menu)
	}
	return routeros.NetworkPrint(p.menu)
}

// identifies reports whether a part tells which box the router is.
func (p part) identifies() bool { return slices.Contains(routeros.SerialMenus(), p.menu) }

// read puts the rows of a part into a snapshot, if they are not too large.
func (p part) read(s *routeros.Snapshot, rows []routeros.Attributes) error {
	if p.menu == routeros.ServiceMenu || p.menu == routeros.InterfaceLists || p.menu == routeros.WireGuardPeers {
		size := 0
		for _, row := range rows {
			for _, value := range row.All() {
				size += len(value)
			}
		}
		if size > mostSplit {
			return &wire.LimitError{What: fmt.Sprintf("a table of %d bytes, at most %d are accepted", size, mostSplit)}
		}
	}
	return p.fill(s, p.menu, rows)
}

func snapshotParts() []part {
	parts := []part{
		{menu: routeros.Resource, need: required, fill: fillResource},
		{menu: routeros.Identity, need: mayHide, fill: fillIdentity},
		{menu: routeros.Clock, need: mayHide, fill: fillClock},
		{menu: routeros.ServiceMenu, need: required, fill: fillServices},
		{menu: routeros.InterfaceMenu, need: mayLack, fill: fillInterfaces},
		{menu: routeros.InterfaceLists, need: mayLack, fill: fillInterfaceLists},
		{menu: routeros.ListMembers, need: mayLack, fill: fillMembers},
		{menu: routeros.UserActive, need: mayHide, fill: fillActive},
		{menu: routeros.RouterBoard, need: mayFail, fill: fillRouterBoard},
		{menu: routeros.License, need: mayFail, fill: fillLicense},
	}
	filter := map[routeros.Family]need{routeros.IPv4: required, routeros.IPv6: mayLack} // without its package, RouterOS 6 has no IPv6
	for _, f := range routeros.Families() {
		parts = append(parts,
			part{menu: f.Filter(), need: filter[f], fill: fillRules},
			part{menu: f.NAT(), need: mayLack, fill: fillRules},
			part{menu: f.Raw(), need: mayLack, fill: fillRules},
			part{menu: f.AddressList(), need: mayLack},
			part{menu: f.Address(), need: mayLack, fill: fillAddresses})
	}
	for _, m := range routeros.NetworkMenus() {
		parts = append(parts, part{menu: m, need: mayFail, fill: fillNetwork})
	}
	return parts
}

// fillSettings keeps the rows of a menu of servers.
func fillSettings(s *routeros.Snapshot, m routeros.Menu, rows []routeros.Attributes) error {
	if s.Settings == nil {
		s.Settings = map[routeros.Menu][]routeros.Attributes{}
	}
	if len(rows) > 0 {
		s.Settings[m] = rows
	}
	return nil
}

func fillResource(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	if len(rows) == 0 {
		return errors.New("the router's answer about itself is empty")
	}
	version, err := routeros.ParseVersion(brief(rows[0].Get("version"), mostText))
	if err != nil {
		return err
	}
	s.Version, s.Board, s.Arch = version, rows[0].Get("board-name"), rows[0].Get("architecture-name")
	s.Uptime, _ = routeros.ParseDuration(rows[0].Get("uptime"))
	return nil
}

func fillIdentity(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	if len(rows) > 0 {
		s.Identity = rows[0].Get("name")
	}
	return nil
}

func fillRouterBoard(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	s.Serial = routeros.ReadSerial(rows, nil)
	return nil
}

// fillLicense comes after fillRouterBoard. Where that failed, a licence is not what tells the box: the
// board may have a number.
func fillLicense(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	if s.Serial == "" && !slices.Contains(s.Untold, routeros.RouterBoard) {
		s.Serial = routeros.ReadSerial(nil, rows)
	}
	return nil
}

// SerialUntoldError says that a router failed to tell its serial number. It is no answer: the
// router may be any box.
type SerialUntoldError struct{ Err error }

// Error implements error.
func (e *SerialUntoldError) Error() string {
	return fmt.Sprintf("the router fails to tell its serial number: %v", e.Err)
}

// Unwrap returns what the router said.
func (e *SerialUntoldError) Unwrap() error { return e.Err }

// Serial is what tells a router from every other one, from the answers to prints of
// [routeros.SerialMenus]; "" where the router has none. An error is that of the connection, or a
// [SerialUntoldError].
func Serial(results []Result) (string, error) {
	rows := make([][]routeros.Attributes, len(results))
	for i, result := range results {
		switch {
		case result.Err == nil || isAnswer(result.Err):
			rows[i] = result.Rows
		case mayFail.excuses(result.Err):
			return "", &SerialUntoldError{result.Err}
		default:
			return "", result.Err
		}
		if serial := routeros.ReadSerial(rows[0], nil); serial != "" {
			return serial, nil
		}
	}
	return routeros.ReadSerial(rows[0], rows[1]), nil
}

// isAnswer reports whether an error is a router's answer to the question for its serial number: it
// lacks the menu, or hides it from this user. It answers the same again.
func isAnswer(err error) bool {
	_, lacks := errors.AsType[*UnknownMenuError](err)
	_, hides := errors.AsType[*PermissionError](err)
	return lacks || hides
}

func fillClock(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	if len(rows) > 0 {
		s.Clock, _ = routeros.ReadClock(rows[0])
	}
	return nil
}

// fillNTP reads the client of RouterOS 7, which has a status, and the simple one of RouterOS 6,
// which has none: it shows the server of the last answer that it has used, and forgets that when it
// is stopped.
func fillNTP(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	if len(rows) == 0 {
		return nil
	}
	row := rows[0]
	ntp := routeros.NTPClient{Known: true, Enabled: row.Bool("enabled"), State: brief(row.Get("status"), mostText)}
	switch from := row.Get("last-update-from"); {
	case !ntp.Enabled:
		ntp.State = "disabled"
	case ntp.State != "":
		ntp.Synchronized = ntp.State == "synchronized"
	case from != "" && from != "0.0.0.0" && from != "::":
		ntp.Synchronized, ntp.State = true, "synchronized"
	default:
		ntp.State = "waiting"
	}
	s.NTP = ntp
	return nil
}

func fillServices(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	for _, row := range rows {
		s.Services = append(s.Services, routeros.ReadService(row))
	}
	return nil
}

func fillInterfaces(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	for _, row := range rows {
		s.Interfaces = append(s.Interfaces, routeros.Interface{Name: row.Get("name"), Type: row.Get("type"), Disabled: row.Bool("disabled"), Dynamic: row.Bool("dynamic"), Slave: row.Bool("slave")})
	}
	return nil
}

// fillNetwork comes after the addresses, which tell by what interface a gateway is reached.
func fillNetwork(s *routeros.Snapshot, m routeros.Menu, rows []routeros.Attributes) error {
	for _, row := range rows {
		s.Learn(m, row)
	}
	return nil
}

func fillInterfaceLists(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	for _, row := range rows {
		s.InterfaceLists = append(s.InterfaceLists, routeros.InterfaceList{
			Name: row.Get("name"), Include: routeros.SplitPrefixes(row.Get("include")), Exclude: routeros.SplitPrefixes(row.Get("exclude")), Dynamic: row.Bool("dynamic"),
		})
	}
	return nil
}

func fillMembers(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	for _, row := range rows {
		s.ListMembers = append(s.ListMembers, routeros.ListMember{List: row.Get("list"), Interface: row.Get("interface"), Disabled: row.Bool("disabled"), Dynamic: row.Bool("dynamic")})
	}
	return nil
}

func fillActive(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	for _, row := range rows {
		s.Active = append(s.Active, routeros.ActiveUser{Name: row.Get("name"), Address: row.Get("address"), Via: row.Get("via")})
	}
	return nil
}

func fillRules(s *routeros.Snapshot, m routeros.Menu, rows []routeros.Attributes) error {
	rules := make([]routeros.Rule, len(rows))
	for i, row := range rows {
		rules[i] = routeros.ReadRule(row)
		rows[i] = nil // the rule has its own
	}
	s.Rules[m] = rules
	return nil
}

// fillAddresses leaves out what it can't read: an address from a pool that is not there yet.
func fillAddresses(s *routeros.Snapshot, _ routeros.Menu, rows []routeros.Attributes) error {
	for _, row := range rows {
		prefix, err := netip.ParsePrefix(row.Get("address"))
		if err != nil {
			continue
		}
		s.Addresses = append(s.Addresses, routeros.InterfaceAddress{Prefix: prefix, Interface: row.Get("interface"), Disabled: row.Bool("disabled"), Dynamic: row.Bool("dynamic")})
	}
	return nil
}
