package sim

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/wire"
)

// client is the smallest client that can talk to the router.
type client struct {
	t testing.TB
	r *wire.Reader
	w *wire.Writer
	c net.Conn
}

func connect(t testing.TB, r *Router) *client {
	t.Helper()
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { r.ServeConn(ctx, far); close(over) }()
	t.Cleanup(func() { near.Close(); cancel(); <-over })
	return &client{t, wire.NewReader(near, wire.DefaultLimits()), wire.NewWriter(near), near}
}

func login(t testing.TB, r *Router) *client {
	t.Helper()
	c := connect(t, r)
	c.expect("!done", "/login", "=name=admin", "=password=")
	return c
}

// run sends a sentence and returns the replies up to !done or !fatal, one text each, joined by
// bars.
func (c *client) run(words ...string) string {
	c.t.Helper()
	if err := c.w.Write(words...); err != nil {
		c.t.Fatal(err)
	}
	if err := c.w.Flush(); err != nil {
		return err.Error()
	}
	return c.replies()
}

func (c *client) replies() string {
	var out []string
	for {
		s, err := c.r.Read()
		if err != nil {
			return strings.Join(append(out, "closed"), " | ")
		}
		out = append(out, strings.Join(s, " "))
		if s[0] == "!done" || s[0] == "!fatal" {
			return strings.Join(out, " | ")
		}
	}
}

func (c *client) expect(want string, words ...string) {
	c.t.Helper()
	if got := c.run(words...); got != want {
		c.t.Errorf("%v\n got %s\nwant %s", words, got, want)
	}
}

func version(s string) routeros.Version {
	v, err := routeros.ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}

func add(chain string, more ...string) []string {
	return append([]string{"/ip/firewall/filter/add", "=chain=" + chain, "=action=accept"}, more...)
}

func TestTraps(t *testing.T) {
	tests := []struct {
		name, version, want string
		words               []string
	}{
		{"unknown parameter", "7.20", "!trap =message=unknown parameter bogus | !done", add("input", "=bogus=1")},
		{"unknown parameter on 6", "6.49.13", "!trap =message=unknown parameter | !done", add("input", "=bogus=1")},
		{"tos is young", "7.20", "!trap =message=unknown parameter tos | !done", add("input", "=tos=1")},
		{"tos from 7.21", "7.21", "!done =ret=*3", add("input", "=tos=1")},
		{"hw-offload is gone", "7.21", "!trap =message=unknown parameter hw-offload | !done", add("input", "=hw-offload=yes")},
		{"place-before in set", "7.20", "!trap =message=unknown parameter place-before | !done", []string{"/ip/firewall/filter/set", "=.id=*1", "=place-before=*2"}},
		{"bogus id and argument", "7.20", "!trap =message=unknown parameter x | !done", []string{"/ip/firewall/filter/set", "=.id=*99", "=x=y"}},
		{"no such item", "7.20", "!trap =category=0 =message=no such item | !done", []string{"/ip/firewall/filter/set", "=.id=*99", "=chain=y"}},
		{"no target", "7.20", "!trap =message=missing =.id= | !done", []string{"/ip/firewall/filter/move", "=destination=*1"}},
		{"interface", "7.20", "!trap =category=1 =message=input does not match any value of interface | !done", add("input", "=in-interface=nosuch")},
		{"interface list", "7.20", "!trap =category=1 =message=input does not match any value of interface-list | !done", add("input", "=in-interface-list=!nosuch")},
		{"states mixed", "7.20", "!trap =category=1 =message=invalid value for argument state | !done", add("input", "=connection-state=established,!related")},
		{"flag", "7.20", "!trap =category=1 =message=ambiguous value of flag | !done", add("input", "=protocol=tcp", "=tcp-flags=!")},
		{"time to live", "7.20", "!trap =category=1 =message=value of ttl is out of range (0 .. 255) | !done", add("input", "=ttl=equal:300")},
		{"codes of ICMP", "7.20", "!trap =category=1 =message=value of icmp-options is out of range (0 .. 255) | !done", add("input", "=protocol=icmp", "=icmp-options=8:300")},
		{"hardware address", "7.20", "!trap =category=1 =message=invalid value for argument src-mac-address | !done", add("input", "=src-mac-address=0:000:00:00:00:01")},
		{"hours negated", "7.20", "!done =ret=*3", add("input", "=time=!8h-18h,mon")},
		{"list twice", "7.20", "!trap =message=failure: already have such entry | !done", []string{"/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.1/32", "=timeout=1m"}},
		{"time-out", "7.20", "!trap =category=1 =message=value of timeout is out of range (00:00:00 .. 35w3d13:13:56) | !done", []string{"/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.9", "=timeout=40w"}},
		{"range of IPv6", "7.20", "!trap =message=failure: 2001:db8::1-2001:db8::5 is not a valid dns name | !done", []string{"/ipv6/firewall/address-list/add", "=list=l", "=address=2001:db8::1-2001:db8::5"}},
		{"anchor", "7.20", "!trap =message=item referred by 'place-before' does not exist | !done", add("input", "=place-before=*99")},
		{"before itself", "7.20", "!trap =message=failure: can not move object before itself | !done", []string{"/ip/firewall/filter/move", "=numbers=*1", "=destination=*1"}},
		{"menu", "7.20", "!trap =category=0 =message=no such command prefix | !done", []string{"/system/routerboard/print"}},
		{"verb", "7.20", "!trap =category=0 =message=no such command | !done", []string{"/ip/firewall/filter/dance"}},
		{"a menu alone", "7.20", "!trap =category=0 =message=no such command | !done", []string{"/interface"}},
		{"services have no add", "7.20", "!trap =category=0 =message=no such command | !done", []string{"/ip/service/add", "=name=x"}},
		{"no safe mode", "7.17", "!trap =category=0 =message=no such command prefix | !done", []string{"/safe-mode/take"}},
		{"no ipv6 on 6", "6.49.13", "!trap =category=0 =message=no such command prefix | !done", []string{"/ipv6/firewall/filter/print"}},
		{"available-from", "7.20", "!trap =message=unknown parameter available-from | !done", []string{"/ip/service/set", "=.id=*0", "=available-from=10.0.0.0/8"}},
		{"available-from 7.24", "7.24", "!done", []string{"/ip/service/set", "=.id=*0", "=available-from=10.0.0.0/8"}},
		{"empty", "7.18", "!empty | !done", []string{"/ip/firewall/nat/print"}},
		{"no empty", "7.17", "!done", []string{"/ip/firewall/nat/print"}},
		{"count", "7.20", "!done =ret=2", []string{"/ip/firewall/filter/print", "=count-only="}},
		{"columns", "7.20", "!re =chain=input =comment=b | !done", []string{"/ip/firewall/filter/print", "=.proplist=chain,nosuch,comment", "?comment=b"}},
		{"columns on 6", "6.49.13", "!re =chain=input | !done", []string{"/ip/firewall/filter/print", "=.proplist=chain,nosuch,comment", "?comment=b"}},
		{"cpu on 6", "6.49.13", "closed", []string{"/system/resource/print", "=.proplist=cpu"}},
		{"tag", "7.20", "!done .tag=9 =ret=2", []string{"/ip/firewall/filter/print", ".tag=9", "=count-only="}},
		{"or", "7.20", "!done =ret=2", []string{"/ip/firewall/filter/print", "=count-only=", "?comment=a", "?comment=b", "?#|"}},
		{"not", "7.20", "!done =ret=1", []string{"/ip/firewall/filter/print", "=count-only=", "?comment=a", "?#!"}},
		{"lacks", "7.20", "!done =ret=0", []string{"/ip/firewall/filter/print", "=count-only=", "?-comment="}},
		{"lacks another", "7.20", "!done =ret=2", []string{"/ip/firewall/filter/print", "=count-only=", "?-dst-port="}},
		{"unset what has to be", "7.20", "!trap =message=unknown parameter !chain | !done", []string{"/ip/firewall/filter/set", "=.id=*1", "=!chain="}},
		{"unset what is not known", "7.20", "!trap =message=unknown parameter !bogus | !done", []string{"/ip/firewall/filter/set", "=.id=*1", "=!bogus="}},
		{"unset a list's address", "7.20", "!trap =message=unknown parameter !address | !done", []string{"/ip/firewall/address-list/set", "=.id=*1", "=!address="}},
		{"quit", "7.20", "!fatal session terminated on request", []string{"/quit"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := New(Options{Version: version(tt.version)})
			c := login(t, r)
			c.expect("!done =ret=*1", add("input", "=comment=a")...)
			c.expect("!done =ret=*2", add("input", "=comment=b")...)
			c.expect("!done =ret=*1", "/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.1")
			c.expect(tt.want, tt.words...)
		})
	}
}

func TestLogin(t *testing.T) {
	users := []User{{Name: "admin", Password: "secret"}, {Name: "r", Group: "read"}, {Name: "n", Group: "none"}}
	router := func(v string) *Router {
		return New(Options{Version: version(v), Users: users, Groups: []Group{{"none", "read,write"}}})
	}
	connect(t, router("7.20")).expect("!fatal not logged in", "/ip/firewall/filter/print")
	c := connect(t, router("7.20"))
	const wrong = "!trap =message=invalid user name or password (6) | !done"
	c.expect(wrong, "/login", "=name=admin", "=password=no")
	c.expect(wrong, "/login", "=name=n", "=password=")
	c.expect("!done", "/login", "=name=r", "=password=")
	c.expect("!trap =message=not enough permissions (9) | !done", add("input")...)
	for v, want := range map[string]string{"6.42": "!done", "6.44": "!done", "6.49.13": wrong} {
		c := connect(t, router(v))
		got := c.run("/login", "=name=admin")
		challenge, err := hex.DecodeString(strings.TrimPrefix(got, "!done =ret="))
		if err != nil || len(challenge) != 16 {
			t.Fatalf("challenge of %s: %s", v, got)
		}
		sum := md5.Sum(slices.Concat([]byte{0}, []byte("secret"), challenge))
		c.expect(want, "/login", "=name=admin", "=response=00"+hex.EncodeToString(sum[:]))
	}
}

func TestPrintedForm(t *testing.T) {
	r := New(Options{})
	c := login(t, r)
	c.run(add("input", "=protocol=6", "=dst-port=22,21,21", "=src-address=192.0.2.9/32", "=connection-state=new,established", "=log=no", "=log-prefix=")...)
	c.expect("!re =.id=*1 =action=accept =bytes=0 =chain=input =connection-state=established,new =dst-port=22,21,21 =dynamic=false =invalid=false "+
		"=log=false =log-prefix= =packets=0 =protocol=tcp =src-address=192.0.2.9 | !done", "/ip/firewall/filter/print")
	c.run("/ip/firewall/filter/disable", "=.id=*1")
	c.run("/ip/firewall/filter/enable", "=.id=*1")
	c.expect("!re =disabled=false | !done", "/ip/firewall/filter/print", "=.proplist=disabled")
}

func TestDummyRow(t *testing.T) {
	r := New(Options{})
	c := login(t, r)
	c.run("/ip/firewall/filter/add", "=chain=forward", "=action=fasttrack-connection")
	c.expect("!re =.id=*2 =dynamic=true | !re =.id=*1 =dynamic=false | !done", "/ip/firewall/filter/print", "=.proplist=.id,dynamic")
	c.expect("!trap =message=failure: cannot change builtin | !done", "/ip/firewall/filter/disable", "=.id=*1,*2")
	c.expect("!trap =message=failure: cannot move builtin | !done", "/ip/firewall/filter/move", "=.id=*1", "=destination=*2")
	c.expect("!trap =message=failure: cannot remove builtin | !done", "/ip/firewall/filter/remove", "=.id=*2")
	c.run("/ip/firewall/filter/remove", "=.id=*1")
	c.expect("!done =ret=1", "/ip/firewall/filter/print", "=count-only=")
	r.Reboot()
	if n := len(r.Snapshot().Rules[routeros.Filter]); n != 0 {
		t.Errorf("%d rules after the reboot", n)
	}
}

func TestLoad(t *testing.T) {
	export := `/interface bridge add name=bridge
/interface list add name=LAN
/interface list member add interface=bridge list=LAN
/ip address add address=192.168.88.1/24 interface=bridge
/ip firewall filter add action=accept chain=input comment=a connection-state=established
/ip firewall filter add action=drop chain=input comment=b in-interface-list=!LAN
/ip firewall address-list add address=198.51.100.7 list=allow
/ip service set telnet disabled=yes
`
	s, _ := rsc.Read([]byte(export)).Snapshot(rsc.Options{})
	r := New(Options{})
	if err := r.Load(s); err != nil {
		t.Fatal(err)
	}
	got := r.Snapshot()
	if telnet, _ := got.Service("telnet"); !telnet.Disabled || len(got.Rules[routeros.Filter]) != 2 || len(got.Entries[routeros.AddressList]) != 1 {
		t.Errorf("loaded %+v", got)
	}
	from := func(iface string) firewall.Verdict {
		return r.Packet(firewall.Packet{Protocol: 17, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.168.88.1"), DstPort: 53, InInterface: iface}).Verdict
	}
	if from("ether1") != firewall.Drop || from("bridge") != firewall.Accept {
		t.Error("the loaded firewall does not hold")
	}
	login(t, r).expect("!done =ret=1", "/ip/firewall/filter/print", "=count-only=", "?comment=b", "?packets=1")
}

// TestUnset: a matcher is taken away by unset, by an exclamation mark before its name, and by
// nothing for a value; what belongs together stays together, in all rows of a command or in none.
func TestUnset(t *testing.T) {
	for _, tt := range []struct {
		words []string
		want  string // the ports and protocols afterwards
	}{
		{[]string{"unset", "=.id=*1", "=value-name=dst-port"}, "tcp tcp:22"},
		{[]string{"set", "=.id=*1", "=!dst-port="}, "tcp tcp:22"},
		{[]string{"set", "=.id=*1,*2", "=!dst-port"}, "tcp tcp"},
		{[]string{"set", "=.id=*1", "=dst-port="}, "tcp tcp:22"},
		{[]string{"set", "=.id=*1", "=!dst-port=", "=!protocol=", "=comment=x"}, ":: tcp:22"},
		{[]string{"set", "=.id=*1", "=!protocol="}, "refused"},
		{[]string{"unset", "=.id=*1", "=value-name=protocol"}, "refused"},
		{[]string{"unset", "=.id=*1", "=value-name=chain"}, "refused"},
	} {
		r := New(Options{})
		c := login(t, r)
		c.run(add("input", "=protocol=tcp", "=dst-port=22")...)
		c.run(add("input", "=protocol=tcp", "=dst-port=22", "=!src-address=")...)
		got := c.run(append([]string{"/ip/firewall/filter/" + tt.words[0]}, tt.words[1:]...)...)
		if refused := strings.HasPrefix(got, "!trap"); refused != (tt.want == "refused") {
			t.Errorf("%v: %s", tt.words, got)
		}
		var left []string
		for _, rule := range r.Snapshot().Rules[routeros.Filter] {
			text := rule.Attrs.Get("protocol")
			if port := rule.Attrs.Get("dst-port"); port != "" {
				text += ":" + port
			} else if text == "" {
				text = "::"
			}
			left = append(left, text)
		}
		if is := strings.Join(left, " "); is != tt.want && (tt.want != "refused" || is != "tcp:22 tcp:22") {
			t.Errorf("%v left %q, want %q", tt.words, is, tt.want)
		}
	}
}

// TestPasswords: of a user who keeps one through a new name and an unroll, and of an add that is
// refused.
func TestPasswords(t *testing.T) {
	r := New(Options{Users: []User{{Name: "admin"}, {Name: "other", Password: "old"}}})
	c := login(t, r)
	good := func(name, password string) {
		t.Helper()
		connect(t, r).expect("!done", "/login", "=name="+name, "=password="+password)
	}
	c.expect("!trap =message=failure: item with such name already exists | !done", "/user/add", "=name=other", "=group=full", "=password=new")
	good("other", "old")
	c.expect("!trap =message=failure: item with such name already exists | !done", "/user/set", "=.id=other", "=name=admin", "=password=new")
	good("other", "old")
	c.expect("!done", "/user/set", "=.id=other", "=name=third")
	good("third", "old")
	c.run("/safe-mode/take")
	c.expect("!done", "/user/set", "=.id=third", "=password=new")
	good("third", "new")
	c.run("/user/remove", "=.id=third")
	c.run("/safe-mode/unroll")
	good("third", "old")
	if got := c.run("/user/print", "=.proplist=name,password"); strings.Contains(got, "old") || strings.Contains(got, "password") {
		t.Error(got)
	}
}

// TestOrder holds the ordered table against a slice.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := New(Options{})
		c := login(t, r)
		var model []string
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				words, at := add("input"), len(model)
				if len(model) > 0 && rapid.Bool().Draw(rt, "anchored") {
					at = rapid.IntRange(0, len(model)-1).Draw(rt, "at")
					words = append(words, "=place-before="+model[at])
				}
				model = slices.Insert(model, at, strings.TrimPrefix(c.run(words...), "!done =ret="))
			},
			"move": func(rt *rapid.T) {
				if len(model) == 0 {
					rt.Skip("empty")
				}
				id := rapid.SampledFrom(model).Draw(rt, "id")
				to := rapid.SampledFrom(append([]string{"*FFFF"}, model...)).Draw(rt, "to")
				got := c.run("/ip/firewall/filter/move", "=numbers="+id, "=destination="+to)
				if id == to {
					return
				}
				if got != "!done" {
					rt.Fatal(got)
				}
				model = slices.DeleteFunc(model, func(x string) bool { return x == id })
				at := slices.Index(model, to)
				if at < 0 {
					at = len(model)
				}
				model = slices.Insert(model, at, id)
			},
			"remove": func(rt *rapid.T) {
				if len(model) == 0 {
					rt.Skip("empty")
				}
				i := rapid.IntRange(0, len(model)-1).Draw(rt, "i")
				c.run("/ip/firewall/filter/remove", "=.id="+model[i])
				model = slices.Delete(model, i, i+1)
			},
			"": func(rt *rapid.T) {
				var ids []string
				for _, rule := range r.Snapshot().Rules[routeros.Filter] {
					ids = append(ids, rule.ID)
				}
				if !slices.Equal(ids, model) {
					rt.Fatalf("got %v, want %v", ids, model)
				}
			},
		})
	})
}

func TestKnockAndExpiry(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := New(Options{Now: func() time.Time { return now }})
	c := login(t, r)
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=accept", "=connection-state=established")
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=add-src-to-address-list", "=address-list=open", "=address-list-timeout=1m", "=protocol=tcp", "=dst-port=888")
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=accept", "=protocol=tcp", "=dst-port=22", "=src-address-list=open")
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=drop")
	send := func(sport, port uint16) firewall.Verdict {
		return r.Packet(firewall.Packet{Protocol: 6, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: sport, DstPort: port, Size: 60, TCPFlags: firewall.SYN}).Verdict
	}
	steps := []struct {
		wait        time.Duration
		sport, port uint16
		want        firewall.Verdict
	}{{0, 1, 22, firewall.Drop}, {0, 2, 888, firewall.Drop}, {59 * time.Second, 3, 22, firewall.Accept}, {time.Second, 4, 22, firewall.Drop}, {0, 3, 22, firewall.Accept}}
	for i, s := range steps {
		now = now.Add(s.wait)
		if got := send(s.sport, s.port); got != s.want {
			t.Errorf("step %d: %v, want %v", i, got, s.want)
		}
		if i == 1 {
			c.expect("!re =.id=*1 =address=203.0.113.9 =creation-time=2026-01-02 03:04:05 =disabled=false =dynamic=true =list=open =timeout=1m | !done", "/ip/firewall/address-list/print")
			c.expect("!trap =message=failure: already have such entry | !done", "/ip/firewall/address-list/add", "=list=open", "=address=203.0.113.9")
		}
	}
	c.expect("!done =ret=0", "/ip/firewall/address-list/print", "=count-only=")
	c.expect("!re =.id=*1 =src-address=203.0.113.9:3 | !done", "/ip/firewall/connection/print", "=.proplist=.id,src-address")
	c.run("/ip/firewall/connection/remove", "=.id=*1")
	if got := send(3, 22); got != firewall.Drop {
		t.Errorf("after its connection was removed: %v", got)
	}
}

// TestUnanswered: what is accepted and not answered stays new, however often it is sent; what a
// service or a ping answers is established. Without connection tracking all is invalid
// (routeros-facts § 15.1).
func TestUnanswered(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := New(Options{Now: func() time.Time { return now }})
	c := login(t, r)
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=accept", "=connection-state=established", "=comment=established")
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=drop", "=connection-state=invalid", "=comment=invalid")
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=accept", "=comment=new")
	send := func(protocol uint8, port uint16) string {
		p := firewall.Packet{Protocol: protocol, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 50000, DstPort: port, Size: 60}
		if protocol == 1 {
			p.SrcPort, p.ICMPType = 0, 8
		}
		return r.Packet(p).Rule.Comment()
	}
	for _, test := range []struct {
		protocol uint8
		port     uint16
		second   string
	}{{17, 33333, "new"}, {6, 33333, "new"}, {6, 22, "established"}, {1, 0, "established"}} {
		first, second, third := send(test.protocol, test.port), send(test.protocol, test.port), send(test.protocol, test.port)
		if first != "new" || second != test.second || third != test.second {
			t.Errorf("protocol %d to port %d: %s, %s, %s, want new, then %s", test.protocol, test.port, first, second, third, test.second)
		}
	}
	c.expect("!re =dst-address=192.0.2.1:33333 =tcp-state=syn-sent | !re =dst-address=192.0.2.1:22 =tcp-state=established | !done", "/ip/firewall/connection/print", "=.proplist=dst-address,tcp-state", "?protocol=tcp")
	now = now.Add(5 * time.Second)
	c.expect("!re =dst-address=192.0.2.1:22 | !done", "/ip/firewall/connection/print", "=.proplist=dst-address", "?protocol=tcp")
	if err := r.Load(routeros.Snapshot{Tracking: routeros.TrackingOff}); err != nil {
		t.Fatal(err)
	}
	if got := send(17, 33334); got != "invalid" {
		t.Errorf("without tracking: %s", got)
	}
}

// TestCutInMidStream: the next segment of a TCP connection that was removed is new, so a gate drops
// it (routeros-facts § 15.1).
func TestCutInMidStream(t *testing.T) {
	r := New(Options{})
	c := login(t, r)
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=accept", "=connection-state=established")
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=accept", "=protocol=tcp", "=dst-port=22", "=src-address-list=open")
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=drop", "=protocol=tcp")
	c.run("/ip/firewall/address-list/add", "=list=open", "=address=203.0.113.9")
	send := func(flags firewall.Flags) firewall.Verdict {
		return r.Packet(firewall.Packet{Protocol: 6, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 50000, DstPort: 22, Size: 60, TCPFlags: flags}).Verdict
	}
	if send(firewall.SYN) != firewall.Accept {
		t.Fatal("a member is not let in")
	}
	c.run("/ip/firewall/address-list/remove", "=.id=*1")
	if send(firewall.ACK) != firewall.Accept {
		t.Error("the connection ended with the entry")
	}
	c.run("/ip/firewall/connection/remove", "=.id=*1")
	if send(firewall.ACK) != firewall.Drop {
		t.Error("the connection goes on without its entry")
	}
}

// TestKnockInsidePrefix: a knock from inside a timed prefix of the list makes no entry, and extends
// the prefix (routeros-facts § 15.1).
func TestKnockInsidePrefix(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := New(Options{Now: func() time.Time { return now }})
	c := login(t, r)
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=add-src-to-address-list", "=address-list=open", "=address-list-timeout=1d", "=protocol=tcp", "=dst-port=888")
	c.run("/ip/firewall/address-list/add", "=list=open", "=address=203.0.113.0/24", "=timeout=2h")
	c.run("/ip/firewall/address-list/add", "=list=open", "=address=198.51.100.0/24")
	for _, source := range []string{"203.0.113.9", "198.51.100.9", "192.0.2.9"} {
		r.Packet(firewall.Packet{Protocol: 6, Src: netip.MustParseAddr(source), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 1, DstPort: 888, Size: 60, TCPFlags: firewall.SYN})
	}
	c.expect("!re =address=203.0.113.0/24 =timeout=1d | !re =address=198.51.100.0/24 | !re =address=192.0.2.9 =timeout=1d | !done", "/ip/firewall/address-list/print", "=.proplist=address,timeout")
}

// TestForwarding: a connection that is sent on stays so when its source is trusted no more, until
// it is cut.
func TestForwarding(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := New(Options{Now: func() time.Time { return now }})
	c := login(t, r)
	c.run("/ip/firewall/nat/add", "=chain=dstnat", "=action=dst-nat", "=protocol=tcp", "=dst-port=33890", "=src-address-list=open", "=to-addresses=192.168.88.10", "=to-ports=3389")
	c.run("/ip/firewall/filter/add", "=chain=forward", "=action=accept", "=connection-state=established", "=connection-nat-state=dstnat", "=protocol=tcp", "=dst-address=192.168.88.10", "=dst-port=3389")
	c.run("/ip/firewall/filter/add", "=chain=forward", "=action=accept", "=src-address-list=open")
	c.run("/ip/firewall/filter/add", "=chain=forward", "=action=drop")
	c.run("/ip/firewall/filter/add", "=chain=input", "=action=drop")
	send := func(sport uint16) (firewall.Verdict, string) {
		fate := r.Packet(firewall.Packet{Protocol: 6, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: sport, DstPort: 33890, Size: 60, TCPFlags: firewall.SYN})
		return fate.Verdict, fmt.Sprint(fate.To)
	}
	expect := func(sport uint16, want firewall.Verdict, to string) {
		t.Helper()
		if got, at := send(sport); got != want || at != to {
			t.Errorf("%s to %s, want %s to %s", got, at, want, to)
		}
	}
	const host, nowhere = "192.168.88.10:3389", "invalid AddrPort"
	expect(1, firewall.Drop, nowhere)
	c.run("/ip/firewall/address-list/add", "=list=open", "=address=203.0.113.9", "=timeout=1m")
	expect(2, firewall.Forwarded, host)
	c.expect("!re =dst-address=192.0.2.1:33890 =reply-src-address=192.168.88.10:3389 | !done", "/ip/firewall/connection/print", "=.proplist=dst-address,reply-src-address")
	now = now.Add(2 * time.Minute)
	expect(2, firewall.Forwarded, host)
	expect(3, firewall.Drop, nowhere)
	c.run("/ip/firewall/connection/remove", "=.id=*1")
	expect(2, firewall.Drop, nowhere)
}

func TestSafeMode(t *testing.T) {
	r := New(Options{})
	c := login(t, r)
	c.run(add("input", "=comment=a")...)
	c.run(add("input", "=comment=b")...)
	comments := func() (out []string) {
		for _, rule := range r.Snapshot().Rules[routeros.Filter] {
			out = append(out, rule.Comment())
		}
		return out
	}
	holder := login(t, r)
	holder.expect("!done", "/safe-mode/take", "=on-error=abort")
	if got := c.run("/safe-mode/take", "=on-error=abort"); !strings.HasPrefix(got, "!trap") {
		t.Errorf("a second take: %s", got)
	}
	holder.run("/ip/firewall/filter/remove", "=.id=*1")
	holder.run(add("input", "=comment=c")...)
	holder.run("/quit")
	c.run("/system/identity/print")
	for len(r.sessionsOf()) > 1 {
		c.run("/system/identity/print") // the other session's end is on its way
	}
	if got := comments(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("after the rollback: %v", got)
	}
	c.run("/safe-mode/take")
	c.run(add("input", "=comment=d")...)
	c.run("/safe-mode/release")
	c.run("/safe-mode/unroll")
	if got := comments(); !slices.Equal(got, []string{"a", "b", "d"}) {
		t.Errorf("after the release: %v", got)
	}
	c.run("/safe-mode/take")
	for range historySize + 1 {
		c.run("/ip/firewall/filter/set", "=.id=*2", "=comment=e")
	}
	c.run("/safe-mode/unroll")
	if got := comments(); !slices.Contains(got, "e") {
		t.Errorf("safe mode outlived its history: %v", got)
	}
}

func (r *Router) sessionsOf() map[*session]struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[*session]struct{}{}
	for s := range r.sessions {
		out[s] = struct{}{}
	}
	return out
}

func TestListenAndCancel(t *testing.T) {
	r := New(Options{})
	c, other := login(t, r), login(t, r)
	if err := c.w.Write("/ip/firewall/address-list/listen", ".tag=10"); err != nil {
		t.Fatal(err)
	}
	c.w.Flush()
	c.expect("!done =ret=0", "/ip/firewall/filter/print", "=count-only=") // the listener is in place
	other.run("/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.1")
	other.run("/ip/firewall/address-list/remove", "=.id=*1")
	got := c.run("/cancel", "=tag=10", ".tag=20")
	for _, want := range []string{"!re .tag=10 =.id=*1 =address=192.0.2.1", "!re .tag=10 =.id=*1 =.dead=true", "!trap .tag=10 =category=2 =message=interrupted | !done .tag=20"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant in it %s", got, want)
		}
	}
	if got := c.replies(); got != "!done .tag=10" {
		t.Error(got)
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		kind  ActionKind
		want  string
		rules int
	}{{CutBefore, "closed", 0}, {CutAfter, "closed", 1}, {Trap, "!trap =message=failure: busy | !done", 0}, {Garbage, "closed", 1}}
	for _, tt := range tests {
		r := New(Options{Fault: func(q Request) Action {
			if q.Number == 2 {
				return Action{tt.kind, "failure: busy"}
			}
			return Action{}
		}})
		login(t, r).expect(tt.want, add("input")...)
		if got := len(r.Snapshot().Rules[routeros.Filter]); got != tt.rules {
			t.Errorf("fault %d left %d rules", tt.kind, got)
		}
	}
}

// TestStall sends two sentences: when the second has been taken off the pipe, the first has been
// served.
func TestStall(t *testing.T) {
	for kind, rules := range map[ActionKind]int{StallBefore: 0, StallAfter: 1} {
		r := New(Options{Fault: func(q Request) Action {
			if q.Number == 2 {
				return Action{Kind: kind}
			}
			return Action{}
		}})
		c := login(t, r)
		for range 2 {
			if err := c.w.Write(add("input")...); err != nil {
				t.Fatal(err)
			}
			if err := c.w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(r.Snapshot().Rules[routeros.Filter]); got != rules {
			t.Errorf("fault %d left %d rules", kind, got)
		}
		r.Reboot()
		if got := c.replies(); got != "closed" {
			t.Errorf("a stalled session answered %s", got)
		}
	}
}

func TestPipelineTakesOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{RTT: 50 * time.Millisecond})
		c := login(t, r)
		start := time.Now()
		for range 16 {
			if err := c.w.Write("/system/identity/print"); err != nil {
				t.Fatal(err)
			}
		}
		c.w.Flush()
		for range 16 {
			c.replies()
		}
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("16 commands took %v of virtual time", took)
		}
	})
}

func TestServices(t *testing.T) {
	r := New(Options{})
	c := login(t, r)
	c.expect("!re =.id=*80000001 =name=api | !done", "/ip/service/print", "=.proplist=.id,name", "?connection=true")
	c.expect("!trap =message=failure: this is configured elsewhere | !done", "/ip/service/set", "=.id=*80000001", "=port=1")
	c.expect("!done", "/ip/service/set", "=.id=telnet", "=disabled=yes")
	c.expect("closed", "/ip/service/disable", "=.id=api")
	near, far := net.Pipe()
	go r.ServeConn(t.Context(), far)
	if _, err := near.Read(make([]byte, 1)); err == nil {
		t.Error("a disabled service answered")
	}
}

func TestManySessions(t *testing.T) {
	r := New(Options{})
	var all sync.WaitGroup
	for n := range 8 {
		c := login(t, r)
		all.Go(func() {
			for i := range 50 {
				c.run(add("input", fmt.Sprintf("=comment=%d-%d", n, i))...)
				c.run("/ip/firewall/filter/print", "=count-only=")
				r.Packet(firewall.Packet{Protocol: 6, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), DstPort: 22})
			}
		})
	}
	all.Wait()
	if n := len(r.Snapshot().Rules[routeros.Filter]); n != 400 {
		t.Errorf("%d rules", n)
	}
}

// FuzzServe gives arbitrary sentences to a session that is logged in.
func FuzzServe(f *testing.F) {
	for _, s := range []string{"/ip/firewall/filter/print\x00?#12!|&.", "/ip/firewall/filter/add\x00=chain=a\x00=place-before=0", "/ip/service/set\x00=.id=*0\x00=address=,",
		"/system/scheduler/add\x00=interval=9w\x00=start-date=x", "/ip/firewall/filter/move\x00=.id=*1,*1\x00=destination=*2", "/cancel", "/login\x00=name=", "x", "/ip/service/print\x00=from=*80000001"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		words := slices.DeleteFunc(strings.Split(text, "\x00"), func(w string) bool { return w == "" })
		if len(words) == 0 {
			return
		}
		r := New(Options{})
		near, far := net.Pipe()
		defer near.Close()
		s := r.open(far)
		s.serve([]string{"/login", "=name=admin", "=password="})
		s.serve(add("input"))
		s.serve(add("forward", "=action=fasttrack-connection"))
		s.serve(words)
		s.serve([]string{"/ip/firewall/filter/print"})
		r.Snapshot()
	})
}
