//go:build linux

package lab_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/routeros"
)

// translation puts the tables of a snapshot into the kernel's words. Values are read here and not
// with the functions that the evaluator uses: a mistake in those has to show.
type translation struct {
	nft      *nftables.Conn
	family   routeros.Family
	table    *nftables.Table
	snapshot routeros.Snapshot
	chains   map[string]*nftables.Chain
	lists    map[string]*nftables.Set
	fixed    map[string]*nftables.Set // lists of wide ranges that no rule fills
	faces    map[string]*nftables.Set // interface lists
	// through says that packets go through this router to hosts behind it, and not to it alone.
	through bool
	// rows says which rule of RouterOS each rule of the kernel stands for, chain by chain.
	rows map[string][]int
}

// hooks are the places of RouterOS's built-in chains on a packet's way to the router itself, or
// through it.
func hooks() map[string]nftables.Chain {
	return map[string]nftables.Chain{
		chainName(routeros.Raw, "prerouting"):  {Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw},
		chainName(routeros.NAT, "dstnat"):      {Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest},
		chainName(routeros.Filter, "forward"):  {Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter},
		chainName(routeros.Filter, "input"):    {Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter},
		chainName(routeros.Raw6, "prerouting"): {Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw},
		chainName(routeros.NAT6, "dstnat"):     {Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest},
		chainName(routeros.Filter6, "input"):   {Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter},
	}
}

// chainName keeps the chains of two tables apart: the kernel gets all in one.
func chainName(m routeros.Menu, chain string) string { return string(m) + ":" + chain }

func (x *translation) translate() error {
	x.fixed, x.faces = map[string]*nftables.Set{}, map[string]*nftables.Set{}
	x.chains, x.lists, x.rows = map[string]*nftables.Chain{}, map[string]*nftables.Set{}, map[string][]int{}
	if err := x.addLists(); err != nil {
		return err
	}
	for _, menu := range menus(x.family) {
		for i, r := range x.snapshot.Rules[menu] {
			if !x.counts(menu, r) {
				continue
			}
			if err := x.add(menu, i, r); err != nil {
				return fmt.Errorf("%s rule %d, %s: %w", menu, i, r.Attrs, err)
			}
		}
	}
	return nil
}

// counts reports whether a rule is one that packets to the router can meet.
func (x *translation) counts(menu routeros.Menu, r routeros.Rule) bool {
	return r.Attrs.Get("disabled") != "true" && r.Attrs.Get("disabled") != "yes" && x.reached(menu, r.Chain())
}

// reached reports whether packets come into a chain at all; output is not played here, and forward
// only where there is something behind the router.
func (x *translation) reached(menu routeros.Menu, chain string) bool {
	switch menu {
	case routeros.Raw, routeros.Raw6:
		return chain != "output"
	case routeros.NAT, routeros.NAT6:
		return chain != "srcnat"
	default:
		return (chain != "forward" || x.through) && chain != "output"
	}
}

func (x *translation) chain(menu routeros.Menu, chain string) *nftables.Chain {
	name := chainName(menu, chain)
	if x.chains[name] == nil {
		c := &nftables.Chain{Name: name, Table: x.table}
		if base, ok := hooks()[name]; ok {
			c.Type, c.Hooknum, c.Priority = nftables.ChainTypeFilter, base.Hooknum, base.Priority
			if base.Type != "" {
				c.Type = base.Type
			}
		}
		x.chains[name] = x.nft.AddChain(c)
	}
	return x.chains[name]
}

// addLists makes a set of every address list. Ranges are written out, address by address, since the
// kernel can't add to a set of ranges from a rule; the lab's lists are small enough for that. Wider
// ones that no rule asks for are left out.
func (x *translation) addLists() error {
	for _, e := range x.snapshot.Entries[x.family.AddressList()] {
		first, last, err := span(e.Address)
		if err == nil && !e.Disabled && x.wide(e.List) && !x.filled(e.List) && x.asked(e.List) {
			if err := x.fix(e.List); err != nil {
				return err
			}
			continue
		}
		if err != nil || e.Disabled || vast(first, last) && !x.asked(e.List) {
			continue // the name of a host, or switched off, or more than the kernel takes: nothing is matched by it
		}
		var elements []nftables.SetElement
		for a := first; a.Compare(last) <= 0; a = a.Next() {
			if len(elements) == 1<<16 {
				return fmt.Errorf("list %s: %s is too wide for the lab", e.List, e.Address)
			}
			elements = append(elements, nftables.SetElement{Key: a.AsSlice(), Timeout: e.Timeout})
		}
		set, err := x.list(e.List)
		if err != nil {
			return err
		}
		if err := x.nft.SetAddElements(set, elements); err != nil {
			return err
		}
	}
	return nil
}

// fix makes a set of the ranges of a list that no rule fills, once. They may be as wide as they
// like, but must not overlap, and nobody is asked later who is in it.
func (x *translation) fix(list string) error {
	if x.fixed[list] != nil {
		return nil
	}
	var ranges [][2]netip.Addr
	for _, e := range x.snapshot.Entries[x.family.AddressList()] {
		if first, last, err := span(e.Address); err == nil && e.List == list && !e.Disabled {
			ranges = append(ranges, [2]netip.Addr{first, last})
		}
	}
	slices.SortFunc(ranges, func(a, b [2]netip.Addr) int { return a[0].Compare(b[0]) })
	var elements []nftables.SetElement
	for i, r := range ranges {
		end := r[1].Next()
		if i == 0 || ranges[i-1][1].Next() != r[0] {
			elements = append(elements, nftables.SetElement{Key: r[0].AsSlice()})
		}
		if end.IsValid() && (i+1 == len(ranges) || ranges[i+1][0] != end) {
			elements = append(elements, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	x.fixed[list] = &nftables.Set{Table: x.table, Name: "fixed:" + list, KeyType: x.keyType(), Interval: true}
	return x.nft.AddSet(x.fixed[list], elements)
}

// wide reports whether a list has a range that can't be written out.
func (x *translation) wide(list string) bool {
	return slices.ContainsFunc(x.snapshot.Entries[x.family.AddressList()], func(e routeros.ListEntry) bool {
		first, last, err := span(e.Address)
		return e.List == list && err == nil && vast(first, last)
	})
}

// filled reports whether any rule gets somebody into a list, or somebody is in it for a time.
func (x *translation) filled(list string) bool {
	for _, e := range x.snapshot.Entries[x.family.AddressList()] {
		if e.List == list && (e.Dynamic || e.Timed) {
			return true
		}
	}
	return slices.ContainsFunc(menus(x.family), func(menu routeros.Menu) bool {
		return slices.ContainsFunc(x.snapshot.Rules[menu], func(r routeros.Rule) bool { return r.Attrs.Get("address-list") == list })
	})
}

// vast reports whether there are more addresses in a range than the lab writes out.
func vast(first, last netip.Addr) bool {
	a, b := first.As16(), last.As16()
	return [14]byte(a[:14]) != [14]byte(b[:14])
}

// asked reports whether any rule looks into a list.
func (x *translation) asked(list string) bool {
	for _, menu := range menus(x.family) {
		for _, r := range x.snapshot.Rules[menu] {
			for _, side := range []string{"src-address-list", "dst-address-list"} {
				if x.counts(menu, r) && strings.TrimPrefix(r.Attrs.Get(side), "!") == list {
					return true
				}
			}
		}
	}
	return false
}

func (x *translation) list(name string) (*nftables.Set, error) {
	if x.fixed[name] != nil {
		return x.fixed[name], nil
	}
	if x.lists[name] == nil {
		set := &nftables.Set{Table: x.table, Name: "list:" + name, KeyType: x.keyType(), Dynamic: true, HasTimeout: true, Size: 65535}
		if err := x.nft.AddSet(set, nil); err != nil {
			return nil, err
		}
		x.lists[name] = set
	}
	return x.lists[name], nil
}

// add translates one rule: its matchers, a counter, its action.
func (x *translation) add(menu routeros.Menu, index int, r routeros.Rule) error {
	var exprs []expr.Any
	for name, value := range r.Attrs.All() {
		if value == "" || said(name) {
			continue
		}
		match, err := x.matcher(name, value)
		if err != nil {
			return fmt.Errorf("%s=%s: %w", name, value, err)
		}
		exprs = append(exprs, match...)
	}
	action, err := x.action(menu, r)
	if err != nil {
		return err
	}
	chain := x.chain(menu, r.Chain())
	exprs = append(append(exprs, &expr.Counter{}), action...)
	x.nft.AddRule(&nftables.Rule{Table: x.table, Chain: chain, Exprs: exprs})
	x.rows[chain.Name] = append(x.rows[chain.Name], index)
	return nil
}

// said reports whether an attribute says something other than which packets match.
func said(name string) bool {
	return slices.Contains([]string{"chain", "action", "comment", "disabled", "log", "log-prefix", "address-list", "address-list-timeout", "jump-target", "reject-with", "to-addresses", "to-ports", "hw-offload"}, name)
}

func (x *translation) action(menu routeros.Menu, r routeros.Rule) ([]expr.Any, error) {
	switch action := r.Attrs.Get("action"); action {
	case "accept", "":
		return verdict(expr.VerdictAccept), nil
	case "drop":
		return verdict(expr.VerdictDrop), nil
	case "reject":
		unreachable := map[routeros.Family]uint8{routeros.IPv4: 3, routeros.IPv6: 4} // the port, by the names of ICMP and ICMPv6
		return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: unreachable[x.family]}}, nil
	case "return":
		return verdict(expr.VerdictReturn), nil
	case "jump":
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: x.chain(menu, r.Attrs.Get("jump-target")).Name}}, nil
	case "notrack":
		return []expr.Any{&expr.Notrack{}}, nil
	case "redirect", "dst-nat":
		return redirection(r)
	case "log", "passthrough":
		return nil, nil // the kernel's log would only fill the host's
	case "fasttrack-connection":
		return nil, nil // it marks a connection, and the packet goes on (routeros-facts § 2.6)
	case "add-src-to-address-list":
		return x.remember(r, source)
	case "add-dst-to-address-list":
		return x.remember(r, target)
	default:
		return nil, fmt.Errorf("the lab does not know the action %s", action)
	}
}

// redirection sends a connection elsewhere: to the router itself, or to an address and a port, or
// one of them.
func redirection(r routeros.Rule) (exprs []expr.Any, err error) {
	var address, port uint32
	if to := r.Attrs.Get("to-addresses"); to != "" {
		a, err := netip.ParseAddr(to)
		if err != nil {
			return nil, err
		}
		address, exprs = 1, append(exprs, &expr.Immediate{Register: 1, Data: a.AsSlice()})
	}
	if to := r.Attrs.Get("to-ports"); to != "" {
		n, err := strconv.ParseUint(to, 10, 16)
		if err != nil {
			return nil, err
		}
		port, exprs = 2, append(exprs, &expr.Immediate{Register: 2, Data: be16(int(n))})
	}
	if r.Action() == "redirect" {
		return append(exprs, &expr.Redir{RegisterProtoMin: port}), nil
	}
	return append(exprs, &expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: address, RegProtoMin: port}), nil
}

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

func (x *translation) remember(r routeros.Rule, of end) ([]expr.Any, error) {
	set, err := x.list(r.Attrs.Get("address-list"))
	if err != nil {
		return nil, err
	}
	var timeout time.Duration
	switch text := r.Attrs.Get("address-list-timeout"); text {
	case "", "none-dynamic", "none-static":
	default:
		if timeout, err = lasting(text); err != nil {
			return nil, err
		}
	}
	return []expr.Any{
		x.address(of),
		&expr.Dynset{SrcRegKey: 1, SetName: set.Name, SetID: set.ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE), Timeout: timeout},
	}, nil
}

// lasting reads 10s, 1m30s, 7d or 1w.
func lasting(text string) (total time.Duration, err error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	for text != "" {
		end := strings.IndexAny(text, "smhdw")
		if end < 0 {
			return 0, fmt.Errorf("%q is no time", text)
		}
		n, err := strconv.Atoi(text[:end])
		if err != nil {
			return 0, err
		}
		total += time.Duration(n) * units[text[end]]
		text = text[end+1:]
	}
	return total, nil
}

// end is one of the two addresses of a packet.
type end uint32

const (
	source end = iota
	target
)

// address loads an address of the IP header.
func (x *translation) address(of end) expr.Any {
	if x.family == routeros.IPv6 {
		return ipField(8+16*uint32(of), 16)
	}
	return ipField(12+4*uint32(of), 4)
}

// keyType is what the sets of addresses are made of.
func (x *translation) keyType() nftables.SetDatatype {
	if x.family == routeros.IPv6 {
		return nftables.TypeIP6Addr
	}
	return nftables.TypeIPAddr
}

func ipField(offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
}

func transportField(offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length}
}

// matcher translates one attribute.
func (x *translation) matcher(name, value string) ([]expr.Any, error) {
	bare, not := strings.CutPrefix(value, "!")
	switch name {
	case "protocol":
		number, err := protocolNumber(bare)
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal(not, number)}, err
	case "src-address":
		return x.between(bare, not, source)
	case "dst-address":
		return x.between(bare, not, target)
	case "src-address-list":
		return x.listed(bare, not, source)
	case "dst-address-list":
		return x.listed(bare, not, target)
	case "dst-address-type":
		return x.kindOfDestination(bare, not)
	case "src-port":
		return x.ports(bare, not, 0)
	case "dst-port":
		return x.ports(bare, not, 2)
	case "in-interface":
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, equal(not, interfaceName(bare)...)}, nil
	case "in-interface-list":
		return x.interfaces(bare, not, expr.MetaKeyIIFNAME)
	case "out-interface":
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, equal(not, interfaceName(bare)...)}, nil
	case "out-interface-list":
		return x.interfaces(bare, not, expr.MetaKeyOIFNAME)
	case "connection-state":
		return states(bare, not)
	case "connection-nat-state":
		return natStates(bare, not)
	case "tcp-flags":
		return flags(value)
	case "icmp-options":
		return icmp(bare, not)
	case "packet-size":
		return x.size(bare, not)
	case "content":
		return content(bare, not)
	case "dscp":
		n, err := strconv.ParseUint(bare, 10, 6)
		if x.family == routeros.IPv6 {
			mask := &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: []byte{0x0f, 0xc0}, Xor: []byte{0, 0}}
			return []expr.Any{ipField(0, 2), mask, equal(not, be16(int(n)<<6)...)}, err
		}
		mask := &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{0xfc}, Xor: []byte{0}}
		return []expr.Any{ipField(1, 1), mask, equal(not, byte(n)<<2)}, err
	case "ipv4-options":
		return ipOptions(bare)
	case "ttl":
		return ttl(bare, not, 8)
	case "hop-limit":
		return ttl(bare, not, 7)
	case "src-mac-address":
		mac, err := net.ParseMAC(bare)
		load := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6}
		return []expr.Any{load, equal(not, mac...)}, err
	case "time":
		return x.hours(bare, not)
	case "ipsec-policy":
		side, secured, _ := strings.Cut(bare, ",")
		yes, known := map[string]byte{"ipsec": 1, "none": 0}[secured]
		if !known || side != "in" && side != "out" {
			break
		}
		if side == "out" {
			return []expr.Any{&expr.Rt{Register: 1, Key: rtXfrm}, equal(not, yes)}, nil
		}
		return []expr.Any{&expr.Meta{Key: metaSecpath, Register: 1}, equal(not, yes)}, nil
	}
	return nil, fmt.Errorf("the lab does not know the matcher")
}

// metaSecpath is NFT_META_SECPATH of linux/netfilter/nf_tables.h: whether a packet came out of
// IPsec.
const metaSecpath expr.MetaKey = 25

// The keys of linux/netfilter/nf_tables.h for the day of the week, from Sunday on, and the second
// of the day: in UTC, and in the order of bytes of the machine.
const (
	metaDay    expr.MetaKey = 31
	metaSecond expr.MetaKey = 32
)

// hours reads 10h50m-12h10m,sun,mon.
func (x *translation) hours(value string, not bool) ([]expr.Any, error) {
	words := strings.Split(value, ",")
	from, until, found := strings.Cut(words[0], "-")
	first, err := lasting(from)
	last, wrong := lasting(until)
	if !found || not || errors.Join(err, wrong) != nil || last < first {
		return nil, errors.New("the lab can't read it")
	}
	var days []nftables.SetElement
	for _, day := range words[1:] {
		number := slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, day)
		if number < 0 {
			return nil, fmt.Errorf("%s is no day", day)
		}
		days = append(days, nftables.SetElement{Key: []byte{byte(number)}})
	}
	lookup, err := x.anyOf(false, nftables.TypeInetProto, false, days)
	seconds := func(d time.Duration) []byte { return binary.BigEndian.AppendUint32(nil, uint32(d/time.Second)) }
	return []expr.Any{
		&expr.Meta{Key: metaSecond, Register: 1}, &expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		inRange(false, seconds(first), seconds(last)),
		&expr.Meta{Key: metaDay, Register: 1}, lookup,
	}, err
}

// rtXfrm is NFT_RT_XFRM of linux/netfilter/nf_tables.h: whether a packet will go into IPsec.
const rtXfrm expr.RtKey = 4

func equal(not bool, data ...byte) expr.Any {
	op := expr.CmpOpEq
	if not {
		op = expr.CmpOpNeq
	}
	return &expr.Cmp{Op: op, Register: 1, Data: data}
}

func protocolNumber(s string) (byte, error) {
	if n, ok := map[string]byte{"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "ipsec-esp": 50, "ipsec-ah": 51, "icmpv6": 58, "ospf": 89}[s]; ok {
		return n, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return byte(n), err
}

// span reads an address, a prefix or a range.
func span(s string) (first, last netip.Addr, err error) {
	if low, high, isRange := strings.Cut(s, "-"); isRange {
		if first, err = netip.ParseAddr(low); err != nil {
			return first, last, err
		}
		last, err = netip.ParseAddr(high)
		return first, last, err
	}
	if !strings.Contains(s, "/") {
		first, err = netip.ParseAddr(s)
		return first, first, err
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return first, last, err
	}
	first = prefix.Masked().Addr()
	high := first.AsSlice()
	for bit := prefix.Bits(); bit < 8*len(high); bit++ {
		high[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ = netip.AddrFromSlice(high)
	return first, last, nil
}

func (x *translation) between(value string, not bool, of end) ([]expr.Any, error) {
	first, last, err := span(value)
	return []expr.Any{x.address(of), inRange(not, first.AsSlice(), last.AsSlice())}, err
}

func inRange(not bool, first, last []byte) expr.Any {
	op := expr.CmpOpEq
	if not {
		op = expr.CmpOpNeq
	}
	return &expr.Range{Op: op, Register: 1, FromData: first, ToData: last}
}

func (x *translation) listed(name string, not bool, of end) ([]expr.Any, error) {
	set, err := x.list(name)
	if err != nil {
		return nil, err
	}
	return []expr.Any{x.address(of), &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID, Invert: not}}, nil
}

// anyOf matches when the register holds one of the keys.
func (x *translation) anyOf(not bool, of nftables.SetDatatype, interval bool, elements []nftables.SetElement) (expr.Any, error) {
	set := &nftables.Set{Table: x.table, Anonymous: true, Constant: true, Interval: interval, KeyType: of}
	if err := x.nft.AddSet(set, elements); err != nil {
		return nil, err
	}
	return &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID, Invert: not}, nil
}

func (x *translation) ports(value string, not bool, offset uint32) ([]expr.Any, error) {
	var listed [1<<16 + 1]bool // one more, so that the last range ends too
	for part := range strings.SplitSeq(value, ",") {
		first, last, err := numbers(part, 16)
		if err != nil {
			return nil, err
		}
		for port := first; port <= last; port++ {
			listed[port] = true
		}
	}
	var elements []nftables.SetElement
	for port := range listed {
		if before := port > 0 && listed[port-1]; listed[port] != before && port < 1<<16 {
			elements = append(elements, nftables.SetElement{Key: be16(port), IntervalEnd: before})
		}
	}
	lookup, err := x.anyOf(not, nftables.TypeInetService, true, elements)
	return []expr.Any{transportField(offset, 2), lookup}, err
}

// numbers reads 5 or 5-9.
func numbers(s string, bits int) (first, last int, err error) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	from, err := strconv.ParseUint(low, 10, bits)
	if err != nil {
		return 0, 0, err
	}
	to, err := strconv.ParseUint(high, 10, bits)
	return int(from), int(to), err
}

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

func number16(value string, not bool, load expr.Any) ([]expr.Any, error) {
	first, last, err := numbers(value, 16)
	return []expr.Any{load, inRange(not, be16(first), be16(last))}, err
}

// size compares the length of the whole packet. An IPv6 header tells the length of what follows its
// own 40 bytes.
func (x *translation) size(value string, not bool) ([]expr.Any, error) {
	if x.family == routeros.IPv4 {
		return number16(value, not, ipField(2, 2))
	}
	const header = 40
	first, last, err := numbers(value, 16)
	return []expr.Any{ipField(4, 2), inRange(not, be16(max(first-header, 0)), be16(max(last-header, 0)))}, err
}

// content looks for bytes anywhere in the packet (routeros-facts § 2.2), with the kernel's own
// match of iptables: nftables has none. What it is told is struct xt_string_info of
// linux/netfilter/xt_string.h, revision 1.
func content(text string, not bool) ([]expr.Any, error) {
	const (
		algorithm, pattern, length, flags, all = 4, 20, 148, 149, 160
		longest                                = length - pattern
	)
	if len(text) > longest || text == "" {
		return nil, fmt.Errorf("the kernel looks for 1 to %d bytes", longest)
	}
	info := make(xt.Unknown, all)
	info[2], info[3] = 0xff, 0xff // from the first byte to the last
	copy(info[algorithm:], "bm")
	copy(info[pattern:], text)
	info[length] = byte(len(text))
	if not {
		info[flags] = 1
	}
	return []expr.Any{&expr.Match{Name: "string", Rev: 1, Info: &info}}, nil
}

// interfaceName is a name as the kernel compares it.
func interfaceName(name string) []byte {
	padded := make([]byte, 16)
	copy(padded, name)
	return padded
}

// interfaces asks the set of an interface list, which interfaces can join later. Of the members it
// takes those that stand there: the lab's lists include and exclude no others.
func (x *translation) interfaces(list string, not bool, side expr.MetaKey) ([]expr.Any, error) {
	set := x.faces[list]
	if set == nil {
		var elements []nftables.SetElement
		for _, m := range x.snapshot.ListMembers {
			if m.List == list && !m.Disabled {
				elements = append(elements, nftables.SetElement{Key: interfaceName(m.Interface)})
			}
		}
		set = &nftables.Set{Table: x.table, Name: "faces:" + list, KeyType: nftables.TypeIFName}
		if err := x.nft.AddSet(set, elements); err != nil {
			return nil, err
		}
		x.faces[list] = set
	}
	lookup := &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID, Invert: not}
	return []expr.Any{&expr.Meta{Key: side, Register: 1}, lookup}, nil
}

func states(value string, not bool) ([]expr.Any, error) {
	bits := map[string]uint32{
		"invalid": expr.CtStateBitINVALID, "established": expr.CtStateBitESTABLISHED, "related": expr.CtStateBitRELATED,
		"new": expr.CtStateBitNEW, "untracked": expr.CtStateBitUNTRACKED,
	}
	var mask uint32
	for word := range strings.SplitSeq(value, ",") {
		if bits[word] == 0 {
			return nil, fmt.Errorf("%s is no connection state", word)
		}
		mask |= bits[word]
	}
	return anyBit(&expr.Ct{Key: expr.CtKeySTATE, Register: 1}, mask, not), nil
}

// Marks that say whether a packet's connection is translated.
const (
	srcNAT = 1 << 1
	dstNAT = 1 << 2
)

// natStates asks the packet's mark, which [translation.observeNAT] sets, and not its connection:
// iptables, on which RouterOS stands, takes a packet without a connection for one that is not
// translated, while nftables gives up the rule, with a ! too.
func natStates(value string, not bool) ([]expr.Any, error) {
	bits := map[string]uint32{"srcnat": srcNAT, "dstnat": dstNAT}
	var mask uint32
	for word := range strings.SplitSeq(value, ",") {
		if bits[word] == 0 {
			return nil, fmt.Errorf("%s is no NAT state", word)
		}
		mask |= bits[word]
	}
	return anyBit(&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, mask, not), nil
}

// anyBit matches when what is loaded has one of the bits, with not when it has none.
func anyBit(load expr.Any, mask uint32, not bool) []expr.Any {
	return []expr.Any{load, masked(mask), equal(!not, 0, 0, 0, 0)}
}

func masked(mask uint32) expr.Any {
	return &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(mask), Xor: make([]byte, 4)}
}

func flags(value string) ([]expr.Any, error) {
	names := []string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"}
	var mask, set byte
	for word := range strings.SplitSeq(value, ",") {
		bare, not := strings.CutPrefix(word, "!")
		bit := slices.Index(names, bare)
		if bit < 0 {
			return nil, fmt.Errorf("%s is no TCP flag", bare)
		}
		mask |= 1 << bit
		if !not {
			set |= 1 << bit
		}
	}
	return []expr.Any{
		transportField(13, 1),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{mask}, Xor: []byte{0}},
		equal(false, set),
	}, nil
}

// icmp compares type and code as one number, so that a ! is that of both together.
func icmp(value string, not bool) ([]expr.Any, error) {
	kind, codes, some := strings.Cut(value, ":")
	number, err := strconv.ParseUint(kind, 10, 8)
	if err != nil {
		return nil, err
	}
	first, last := 0, 255
	if some {
		if first, last, err = numbers(codes, 8); err != nil {
			return nil, err
		}
	}
	return []expr.Any{transportField(0, 2), inRange(not, []byte{byte(number), byte(first)}, []byte{byte(number), byte(last)})}, nil
}

// exthdrIPv4 is NFT_EXTHDR_OP_IPV4 of linux/netfilter/nf_tables.h: the options of an IPv4 header.
const exthdrIPv4 expr.ExthdrOp = 2

// ipOptions reads any and none, which are told by the length of the header, and two of the options,
// by the numbers of IANA.
func ipOptions(value string) ([]expr.Any, error) {
	if value == "any" || value == "none" {
		mask := &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{0x0f}, Xor: []byte{0}}
		return []expr.Any{ipField(0, 1), mask, equal(value == "any", 5)}, nil
	}
	name, without := strings.CutPrefix(value, "no-")
	number, known := map[string]uint8{"record-route": 7, "router-alert": 148}[name]
	if !known {
		return nil, errors.New("the lab can't read it")
	}
	there := &expr.Exthdr{DestRegister: 1, Type: number, Len: 1, Flags: unix.NFT_EXTHDR_F_PRESENT, Op: exthdrIPv4}
	return []expr.Any{there, equal(without, 1)}, nil
}

func ttl(value string, not bool, offset uint32) ([]expr.Any, error) {
	how, number, found := strings.Cut(value, ":")
	if !found {
		how, number = "equal", value
	}
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil {
		return nil, err
	}
	op, known := map[string]expr.CmpOp{"equal": expr.CmpOpEq, "not-equal": expr.CmpOpNeq, "less-than": expr.CmpOpLt, "greater-than": expr.CmpOpGt}[how]
	if !known || not {
		return nil, fmt.Errorf("the lab can't read it")
	}
	return []expr.Any{ipField(offset, 1), &expr.Cmp{Op: op, Register: 1, Data: []byte{byte(n)}}}, nil
}

// kindOfDestination asks the kernel's routing table what an address is.
func (x *translation) kindOfDestination(value string, not bool) ([]expr.Any, error) {
	kinds := map[string]uint32{"unicast": unix.RTN_UNICAST, "local": unix.RTN_LOCAL, "broadcast": unix.RTN_BROADCAST, "multicast": unix.RTN_MULTICAST}
	var elements []nftables.SetElement
	for word := range strings.SplitSeq(value, ",") {
		kind, known := kinds[word]
		if !known {
			return nil, fmt.Errorf("the lab does not know %s", word)
		}
		elements = append(elements, nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(kind)})
	}
	lookup, err := x.anyOf(not, nftables.TypeMark, false, elements)
	return []expr.Any{&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true}, lookup}, err
}

// observeNAT marks packets by bits 4 and 5 of their connection's status (enum ip_conntrack_status).
func (x *translation) observeNAT() {
	const src, dst = 1 << 4, 1 << 5
	nat := x.watch("lab:nat", nftables.ChainHookPrerouting, -50)
	for status, mark := range map[uint32]uint32{src: srcNAT, dst: dstNAT, src | dst: srcNAT | dstNAT} {
		x.rule(nat,
			&expr.Ct{Key: expr.CtKeySTATUS, Register: 1}, masked(src|dst), equal(false, binaryutil.NativeEndian.PutUint32(status)...),
			&expr.Immediate{Register: 1, Data: binaryutil.NativeEndian.PutUint32(mark)}, &expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1})
	}
}

func (x *translation) watch(name string, hook *nftables.ChainHook, priority nftables.ChainPriority) *nftables.Chain {
	return x.nft.AddChain(&nftables.Chain{Name: name, Table: x.table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: &priority})
}

func (x *translation) rule(c *nftables.Chain, exprs ...expr.Any) {
	x.nft.AddRule(&nftables.Rule{Table: x.table, Chain: c, Exprs: exprs})
}
