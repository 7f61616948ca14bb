package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

// TestArrivals types packets at a simulated router: they pass its firewall, and what is no packet
// is answered.
func TestArrivals(t *testing.T) {
	e := env{streams: streams{out: new(strings.Builder), err: new(strings.Builder)}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(string) string { return "" }}
	routers, err := openRouters(access{e, settings{login: login{User: "admin"}}}, simOptions{listen: "127.0.0.1:0", count: 1, version: "7.20"})
	if err != nil {
		t.Fatal(err)
	}
	routers[0].listener.Close()
	for _, c := range []struct{ typed, want string }{
		{"tcp 203.0.113.9 :22", `drop on ether1, by "defconf: drop all not coming from LAN"`},
		{"tcp 192.168.88.20 :22", "accept on bridge, by the end of the chain"},
		{"tcp 203.0.113.9 :22 --in bridge", "accept on bridge, by the end of the chain"},
		{"icmp 203.0.113.9 --size 245", `accept on ether1, by "defconf: accept ICMP"`},
		{"udp 203.0.113.9:53 192.0.2.1:53 --size 100 --in ether1", `drop on ether1`},
		{"  ", ""},
		{"tcp 203.0.113.9", "needs a destination port"},
		{"tcp 203.0.113.9 :22 --size many", "a number of bytes up to 65535"},
		{"tcp 203.0.113.9 :22 --in ether77", "the router has no such interface"},
		{"open sesame", `"open" is no protocol`},
		{"tcp 203.0.113.9 :22 " + strings.Repeat("x", maxPacketLine), "no more packets are read"},
	} {
		var out strings.Builder
		arrivals(t.Context(), strings.NewReader(c.typed+"\n"), &out, "", routers)
		if !strings.Contains(out.String(), c.want) || c.want == "" && out.String() != "" {
			t.Errorf("%s: %q, and not %q", c.typed, out.String(), c.want)
		}
	}
}
