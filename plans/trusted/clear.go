package trusted

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Clear removes the entries from address lists of one family that rules have added or that have a
// time-out. Permanent entries stay. Lists that a rule of the mangle table matches stay too, and are
// returned.
func Clear(ctx context.Context, s Session, f routeros.Family, lists []string) (removed int, kept []string, err error) {
	reply, err := s.Run(ctx, routeros.Print(mangle(f)))
	if _, refused := errors.AsType[*api.TrapError](err); err != nil && !refused && !unknownMenu(err) {
		return 0, nil, err
	}
	var ids []string
	for _, list := range lists {
		if slices.ContainsFunc(reply.Rows, func(row routeros.Attributes) bool { return asks(row, list) }) {
			kept = append(kept, list)
			continue
		}
		held, err := s.Run(ctx, routeros.Print(f.AddressList()).Where("list="+list))
		if err != nil {
			return 0, kept, err
		}
		for _, row := range held.Rows {
			if e := routeros.ReadListEntry(row); e.Dynamic {
				ids = append(ids, e.ID)
			}
		}
	}
	for chunk := range slices.Chunk(ids, mostAtOnce) {
		n, err := remove(ctx, s, f.AddressList(), chunk)
		if removed += n; err != nil {
			return removed, kept, err
		}
	}
	return removed, kept, nil
}

// mangle is the menu of a table that rosknock does not read otherwise, but whose rules may match a
// list.
func mangle(f routeros.Family) routeros.Menu {
	if f == routeros.IPv6 {
		return "/ipv6/firewall/mangle"
	}
	return "/ip/firewall/mangle"
}

// mostAtOnce is how many entries are removed without waiting: weak routers fail with more
// (routeros-facts § 1.7).
const mostAtOnce = 40

func unknownMenu(err error) bool {
	_, unknown := errors.AsType[*api.UnknownMenuError](err)
	return unknown
}

// asks reports whether a rule matches a list, or fills it.
func asks(row routeros.Attributes, list string) bool {
	return slices.ContainsFunc([]string{"src-address-list", "dst-address-list", "address-list"}, func(name string) bool {
		return strings.TrimPrefix(row.Get(name), "!") == list
	})
}
