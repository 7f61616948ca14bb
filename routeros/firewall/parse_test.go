package firewall

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	p, err := Parse(strings.Fields("tcp 203.0.113.9 :22"))
	if err != nil || p.Protocol != 6 || p.Src.String() != "203.0.113.9" || p.DstPort != 22 || p.Dst.IsValid() || p.TCPFlags != SYN || p.SrcPort != usualPort {
		t.Errorf("%v, %+v", err, p)
	}
	p, err = Parse(strings.Fields("icmp 2001:db8::9"))
	if err != nil || p.Protocol != 58 || p.ICMPType != 128 {
		t.Errorf("%v, %+v", err, p)
	}
	p, err = Parse(strings.Fields("gre 203.0.113.9 192.0.2.1"))
	if err != nil || p.Protocol != 47 || p.Dst.String() != "192.0.2.1" {
		t.Errorf("%v, %+v", err, p)
	}
}

// TestParseMistakes: what is wrong is named, and an example stands behind it.
func TestParseMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "three words and not 0",
		"tcp":                              "three words and not 1",
		"tpc 203.0.113.9 :22":              `"tpc" is no protocol`,
		"tcp 203.0.113.9":                  "needs a destination port",
		"tcp 203.0.113.9 192.0.2.1":        "needs a destination port",
		"tcp 203.0.113.999 :22":            `"203.0.113.999" is no address`,
		"tcp 203.0.113.9 :70000":           `port "70000"`,
		"tcp 203.0.113.9 :022":             `port "022"`,
		"tcp 203.0.113.9 :0":               `port "0"`,
		"tcp 203.0.113.9 :":                "a port is expected",
		"tcp :5 :22":                       "an address is expected",
		"icmp 203.0.113.9 :22":             "icmp has no ports",
		"tcp 203.0.113.9 [2001:db8::1]:22": "different families",
		"tcp 203.0.113.9 [2001:db8::1:22":  "[address]:port",
		"tcp 1.2.3.4 :22 :23":              "three words and not 4",
	} {
		_, err := Parse(strings.Fields(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "for example: tcp 203.0.113.9 :22") {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := Parse(strings.Fields("tpc 1.2.3 :0"))
	if err == nil || strings.Count(err.Error(), ";") < 2 {
		t.Errorf("not all at once: %v", err)
	}
}

// TestWords: a packet's words give the packet again.
func TestWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		protocol := rapid.SampledFrom([]string{"tcp", "udp", "icmp", "gre", "ipsec-esp"}).Draw(t, "protocol")
		addr := func(label string) netip.Addr {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label)))
		}
		words := []string{protocol, addr("src").String(), addr("dst").String()}
		if protocol == "tcp" || protocol == "udp" {
			words[1] = netip.AddrPortFrom(addr("src"), rapid.Uint16Range(1, 65535).Draw(t, "sport")).String()
			words[2] = netip.AddrPortFrom(addr("dst"), rapid.Uint16Range(1, 65535).Draw(t, "dport")).String()
		}
		p, err := Parse(words)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(p.Words())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%v: %v and %v", err, p, again)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("tcp 203.0.113.9 :22")
	f.Add("udp [2001:db8::9]:40000 [2001:db8::1]:51820")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(strings.Fields(text))
		if err != nil {
			return
		}
		if again, err := Parse(p.Words()); err != nil || again.String() != p.String() {
			t.Errorf("%q: %v, %v and %v", text, err, p, again)
		}
	})
}
