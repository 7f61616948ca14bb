//go:build linux

package lab_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/routeros"
)

// built is a table of rules in the kernel.
type built struct {
	arrived, accepted *nftables.Set // numbers of packets
	lists             map[string]*nftables.Set
}

// build puts the input rules of a table into the kernel, in place of what was there.
func (k *kernel) build(t *testing.T, rows []routeros.Rule, entries []routeros.ListEntry) built {
	t.Helper()
	k.nft.FlushRuleset()
	table := k.nft.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "lab"})
	b := built{lists: map[string]*nftables.Set{}}
	b.arrived = k.numberSet(t, table, "arrived")
	b.accepted = k.numberSet(t, table, "accepted")
	k.lists(t, table, rows, entries, b)
	for i, name := range []string{"arrived", "rules", "accepted"} {
		chain := k.nft.AddChain(&nftables.Chain{
			Name: "base-" + name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput,
			Priority: new(nftables.ChainPriority(i)),
		})
		switch name {
		case "rules":
			k.rules(t, table, chain, rows, b)
		case "arrived":
			k.nft.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: note(b.arrived)})
		default:
			k.nft.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: note(b.accepted)})
		}
	}
	if err := k.nft.Flush(); err != nil {
		t.Fatalf("%v\n%v", err, rows)
	}
	return b
}

func (k *kernel) numberSet(t *testing.T, table *nftables.Table, name string) *nftables.Set {
	t.Helper()
	set := &nftables.Set{Table: table, Name: name, KeyType: nftables.TypeInetService, Dynamic: true, Size: 65535}
	if err := k.nft.AddSet(set, nil); err != nil {
		t.Fatal(err)
	}
	return set
}

// note remembers a packet by its IP id.
func note(set *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 4, Len: 2},
		&expr.Dynset{SrcRegKey: 1, SetName: set.Name, SetID: set.ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE)},
	}
}

// lists makes the address lists, with the entries that are there for good.
func (k *kernel) lists(t *testing.T, table *nftables.Table, rows []routeros.Rule, entries []routeros.ListEntry, b built) {
	t.Helper()
	names := map[string]bool{}
	for _, r := range rows {
		names[strings.TrimPrefix(r.Attrs.Get("src-address-list"), "!")] = true
		names[r.Attrs.Get("address-list")] = true
	}
	delete(names, "")
	for name := range names {
		set := &nftables.Set{Table: table, Name: "list-" + strconv.Itoa(len(b.lists)), KeyType: nftables.TypeIPAddr, Dynamic: true, HasTimeout: true, Size: 65535}
		var elements []nftables.SetElement
		for _, e := range entries {
			if e.List == name {
				elements = append(elements, nftables.SetElement{Key: netip.MustParseAddr(e.Address).AsSlice()})
			}
		}
		if err := k.nft.AddSet(set, elements); err != nil {
			t.Fatal(err)
		}
		b.lists[name] = set
	}
}

// rules adds the rules of input and of the chains beside it.
func (k *kernel) rules(t *testing.T, table *nftables.Table, base *nftables.Chain, rows []routeros.Rule, b built) {
	t.Helper()
	chains := map[string]*nftables.Chain{"input": base}
	chain := func(name string) *nftables.Chain {
		if chains[name] == nil {
			chains[name] = k.nft.AddChain(&nftables.Chain{Name: "user-" + strconv.Itoa(len(chains)), Table: table})
		}
		return chains[name]
	}
	for _, r := range rows {
		if r.Action() == "jump" {
			chain(r.Attrs.Get("jump-target"))
		}
	}
	for _, r := range rows {
		if r.Disabled() || r.Chain() == "forward" || r.Chain() == "output" {
			continue
		}
		var exprs []expr.Any
		for name, value := range r.Attrs.All() {
			exprs = append(exprs, k.matcher(t, table, b, name, value)...)
		}
		exprs = append(exprs, action(r, b, chain)...)
		k.nft.AddRule(&nftables.Rule{Table: table, Chain: chain(r.Chain()), Exprs: exprs})
	}
}

func action(r routeros.Rule, b built, chain func(string) *nftables.Chain) []expr.Any {
	switch r.Action() {
	case "accept":
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	case "drop":
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	case "return":
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}
	case "jump":
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain(r.Attrs.Get("jump-target")).Name}}
	case "add-src-to-address-list":
		set := b.lists[r.Attrs.Get("address-list")]
		timeout, _ := routeros.ParseListTimeout(r.Attrs.Get("address-list-timeout"))
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
			&expr.Dynset{SrcRegKey: 1, SetName: set.Name, SetID: set.ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE), Timeout: timeout.For},
		}
	}
	return []expr.Any{&expr.Counter{}}
}

// matcher translates one matcher; what is none gives nothing.
func (k *kernel) matcher(t *testing.T, table *nftables.Table, b built, name, value string) []expr.Any {
	t.Helper()
	bare, negated := strings.CutPrefix(value, "!")
	switch name {
	case "chain", "action", "comment", "address-list", "address-list-timeout", "jump-target", "disabled", "log", "log-prefix", "limit":
		return nil
	case "protocol":
		n, _ := routeros.ParseProtocol(bare)
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal(negated, []byte{n})}
	case "src-address":
		r, err := routeros.ParseAddressRange(bare)
		if err != nil {
			t.Fatal(err)
		}
		return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}, between(negated, r.First.AsSlice(), r.Last.AsSlice())}
	case "src-port", "dst-port":
		offset := map[string]uint32{"src-port": 0, "dst-port": 2}[name]
		return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}, k.ports(t, table, bare, negated)}
	case "src-address-list":
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
			&expr.Lookup{SourceRegister: 1, SetName: b.lists[bare].Name, SetID: b.lists[bare].ID, Invert: negated},
		}
	case "in-interface":
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, equal(negated, append([]byte(bare), make([]byte, 16-len(bare))...))}
	case "connection-state":
		return states(bare, negated)
	}
	return header(t, name, bare, negated)
}

// header translates the matchers on header fields.
func header(t *testing.T, name, bare string, negated bool) []expr.Any {
	t.Helper()
	switch name {
	case "packet-size":
		low, high, isRange := strings.Cut(bare, "-")
		if !isRange {
			high = low
		}
		return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 2, Len: 2}, between(negated, two(low), two(high))}
	case "ttl":
		how, n, _ := strings.Cut(bare, ":")
		op := map[string]expr.CmpOp{"equal": expr.CmpOpEq, "not-equal": expr.CmpOpNeq, "less-than": expr.CmpOpLt, "greater-than": expr.CmpOpGt}[how]
		return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 8, Len: 1}, &expr.Cmp{Op: op, Register: 1, Data: two(n)[1:]}}
	case "icmp-options":
		kind, code, _ := strings.Cut(bare, ":")
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2},
			equal(negated, []byte{two(kind)[1], two(code)[1]}),
		}
	case "tcp-flags":
		var mask, set byte
		for word := range strings.SplitSeq(bare, ",") {
			flag, not := strings.CutPrefix(word, "!")
			bit := map[string]byte{"fin": 1, "syn": 2, "rst": 4, "ack": 16}[flag]
			if mask |= bit; !not {
				set |= bit
			}
		}
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{mask}, Xor: []byte{0}},
			equal(negated, []byte{set}),
		}
	}
	t.Fatalf("%s=%s has no translation", name, bare)
	return nil
}

func equal(negated bool, data []byte) expr.Any {
	op := expr.CmpOpEq
	if negated {
		op = expr.CmpOpNeq
	}
	return &expr.Cmp{Op: op, Register: 1, Data: data}
}

func between(negated bool, low, high []byte) expr.Any {
	op := expr.CmpOpEq
	if negated {
		op = expr.CmpOpNeq
	}
	return &expr.Range{Op: op, Register: 1, FromData: low, ToData: high}
}

func two(text string) []byte {
	n, _ := strconv.Atoi(text)
	return binary.BigEndian.AppendUint16(nil, uint16(n))
}

// ports looks a port up in an unnamed set of ranges.
func (k *kernel) ports(t *testing.T, table *nftables.Table, list string, negated bool) expr.Any {
	t.Helper()
	ports, err := routeros.ParsePorts(list)
	if err != nil {
		t.Fatal(err)
	}
	set := &nftables.Set{Table: table, Anonymous: true, Constant: true, Interval: true, KeyType: nftables.TypeInetService}
	var elements []nftables.SetElement
	for _, r := range ports {
		elements = append(elements, nftables.SetElement{Key: two(fmt.Sprint(r.First))}, nftables.SetElement{Key: two(fmt.Sprint(int(r.Last) + 1)), IntervalEnd: true})
	}
	if err := k.nft.AddSet(set, elements); err != nil {
		t.Fatal(err)
	}
	return &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID, Invert: negated}
}

func states(list string, negated bool) []expr.Any {
	bits := map[string]uint32{
		"invalid": expr.CtStateBitINVALID, "established": expr.CtStateBitESTABLISHED, "related": expr.CtStateBitRELATED,
		"new": expr.CtStateBitNEW, "untracked": expr.CtStateBitUNTRACKED,
	}
	var mask uint32
	for word := range strings.SplitSeq(list, ",") {
		mask |= bits[word]
	}
	op := expr.CmpOpNeq
	if negated {
		op = expr.CmpOpEq
	}
	return []expr.Any{
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binary.NativeEndian.AppendUint32(nil, mask), Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: 1, Data: make([]byte, 4)},
	}
}

// seconds rounds what is left of an entry, since the kernel counts while we look.
func seconds(d time.Duration) int { return int((d + time.Second).Truncate(time.Second) / time.Second) }
