package sim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestOIDs: a property's object identifier is asked for among the columns, on every version.
func TestOIDs(t *testing.T) {
	for _, v := range []string{"6.49", "7.20"} {
		c := login(t, New(Options{Version: version(v)}))
		c.expect("!re =cpu-load=1 =cpu-load.oid=.1.3.6.1.2.1.25.3.3.1.2.1 =uptime.oid=.1.3.6.1.2.1.1.3.0 | !done", "/system/resource/print", "=.proplist=uptime.oid,cpu-load,cpu-load.oid")
		c.expect("!re =name=MikroTik =name.oid=.1.3.6.1.2.1.1.5.0 | !done", "/system/identity/print", "=.proplist=name,name.oid")
		c.expect("!re =name=MikroTik | !done", "/system/identity/print")
	}
}

// TestGet: one value, a whole row, and what is not there.
func TestGet(t *testing.T) {
	c := login(t, New(Options{}))
	c.run(add("input", "=protocol=tcp", "=comment=a comment; with = in it")...)
	c.expect("!done =ret=tcp", "/ip/firewall/filter/get", "=.id=*1", "=value-name=protocol")
	c.expect("!done =ret=", "/ip/firewall/filter/get", "=number=0", "=value-name=dst-port")
	c.expect("!done =ret=.id=*1;action=accept;bytes=0;chain=input;comment=a comment; with = in it;dynamic=false;invalid=false;packets=0;protocol=tcp", "/ip/firewall/filter/get", "=.id=*1")
	c.expect("!trap =category=1 =message=input does not match any value of value-name | !done", "/ip/firewall/filter/get", "=.id=*1", "=value-name=bogus")
	c.expect("!trap =category=0 =message=no such item | !done", "/ip/firewall/filter/get", "=.id=*9", "=value-name=protocol")
	c.expect("!done =ret=MikroTik", "/system/identity/get", "=value-name=name")
}

// TestInterval: a print that goes on shows what there is then, until it is cancelled.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		c := login(t, r)
		c.expect("!trap =category=1 =message=invalid value for argument interval | !done", "/ip/firewall/filter/print", "=interval=x")
		c.run(add("input", "=comment=a")...)
		if err := c.w.Write("/ip/firewall/filter/print", "=interval=1s", "=.proplist=comment", ".tag=1"); err != nil {
			t.Fatal(err)
		}
		if err := c.w.Flush(); err != nil {
			t.Fatal(err)
		}
		next := func(want string) {
			t.Helper()
			if words, err := c.r.Read(); err != nil || strings.Join(words, " ") != want {
				t.Errorf("%q, %v, want %q", words, err, want)
			}
		}
		start := time.Now()
		next("!re .tag=1 =comment=a =.section=0")
		next("!re .tag=1 =comment=a =.section=1")
		if err := r.AdminAs("other", routeros.NewCommand("/ip/firewall/filter/set", "numbers", "*1", "comment", "b")); err != nil {
			t.Fatal(err)
		}
		next("!re .tag=1 =comment=b =.section=2")
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("two rounds took %s", took)
		}
		c.expect("!trap .tag=1 =category=2 =message=interrupted | !done .tag=2", "/cancel", "=tag=1", ".tag=2")
		next("!done .tag=1")
		time.Sleep(5 * time.Second)
		c.expect("!done =ret=1", "/ip/firewall/filter/print", "=count-only=")
	})
}

// TestPut: who runs a script gets what it says; the scheduler gets nothing.
func TestPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		c := login(t, r)
		c.run("/system/script/add", "=name=a", "=source=/put \"hello\"\n:if ([:len [/ip firewall filter find]] = 0) do={:put \"there\"}")
		c.expect("!re =.id=*1 =dont-require-permissions=false =invalid=false =name=a =owner=admin =policy=ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon "+
			"=run-count=0 | !done", "/system/script/print", "=.proplist=.id,name,owner,policy,dont-require-permissions,run-count,invalid,last-started")
		c.expect("!done =ret=hello\nthere", "/system/script/run", "=number=a")
		c.expect("!done =ret=hello\nthere", "/system/script/run", "=number=*1")
		c.job("a", "=interval=1m")
		time.Sleep(time.Minute)
		c.expect("!re =last-started=2000-01-01 00:01:00 =run-count=3 | !done", "/system/script/print", "=.proplist=run-count,last-started")
		c.run("/system/script/set", "=numbers=a", "=source=:put \"x\"\n:error \"no\"")
		c.expect("!trap =category=3 =message=no | !done", "/system/script/run", "=number=a")
	})
}

// TestAddressRows: what an address and an interface show of each other.
func TestAddressRows(t *testing.T) {
	export := `/interface bridge add name=bridge
/interface ethernet set [ find default-name=ether1 ] name=wan
/ip address add address=192.168.88.1/24 interface=bridge
`
	for _, v := range []string{"7.20", "7.24"} {
		s, _ := rsc.Read([]byte(export)).Snapshot(rsc.Options{Version: version(v)})
		s.Interfaces = append(s.Interfaces, routeros.Interface{Name: "ether2", Type: "ether", Disabled: true})
		r := New(Options{Version: version(v)})
		if err := r.Load(s); err != nil {
			t.Fatal(err)
		}
		c := login(t, r)
		c.expect("!done =ret=*1", "/interface/bridge/port/add", "=bridge=bridge", "=interface=ether2")
		c.expect("!trap =category=1 =message=input does not match any value of interface | !done", "/interface/bridge/port/add", "=bridge=nosuch", "=interface=ether2")
		c.expect("!re =disabled=true =running=false =slave=true =type=ether | !done", "/interface/print", "=.proplist=type,disabled,running,slave", "?name=ether2")
		c.expect("!re =disabled=false =running=true =type=bridge | !done", "/interface/print", "=.proplist=type,disabled,running,slave", "?name=bridge")
		c.expect("!re =default-name=ether1 =name=wan | !re =default-name=ether2 =name=ether2 | !done", "/interface/print", "=.proplist=name,default-name", "?type=ether")
		c.expect("!done =ret=*2", "/ip/address/add", "=address=192.0.2.9/28", "=interface=ether2", "=comment=x")
		c.expect("!trap =message=failure: already have such address | !done", "/ip/address/add", "=address=192.0.2.9/28", "=interface=ether2")
		c.expect("!trap =category=1 =message=input does not match any value of interface | !done", "/ip/address/add", "=address=192.168.88.1", "=interface=asdf")
		c.expect("!trap =category=1 =message=invalid value for argument address | !done", "/ip/address/add", "=address=2001:db8::1/64", "=interface=bridge")
		since := map[string][2]string{"7.20": {"", ""}, "7.24": {" =slave=false =vrf=main", " =slave=true =vrf=main"}}[v]
		c.expect("!re =.id=*1 =actual-interface=bridge =address=192.168.88.1/24 =disabled=false =dynamic=false =interface=bridge =invalid=false =network=192.168.88.0"+since[0]+
			" | !re =.id=*2 =actual-interface=bridge =address=192.0.2.9/28 =comment=x =disabled=false =dynamic=false =interface=ether2 =invalid=false =network=192.0.2.0"+since[1]+" | !done", "/ip/address/print")
	}
}

// TestServicesThatAreOff: a new router answers on every service but www-ssl, and where there is
// one, the reverse proxy.
func TestServicesThatAreOff(t *testing.T) {
	for v, want := range map[string]string{"6.49": "!re =name=www-ssl | !done", "7.24": "!re =name=www-ssl | !re =name=reverse-proxy | !done"} {
		login(t, New(Options{Version: version(v)})).expect(want, "/ip/service/print", "=.proplist=name", "?disabled=true")
	}
}
