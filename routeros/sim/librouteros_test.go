package sim

import (
	"os/exec"
	"strconv"
	"testing"
)

// librouterosScript talks to the router as a program that has never heard of this one.
const librouterosScript = `
import sys, librouteros
from librouteros.exceptions import TrapError, MultiTrapError
api = librouteros.connect(host="127.0.0.1", port=int(sys.argv[1]), username="admin", password="secret")
rules = api.path("ip", "firewall", "filter")
last = rules.add(chain="input", action="drop", comment="last")
first = rules.add(**{"chain": "input", "action": "accept", "protocol": "6", "dst-port": "22", "place-before": last})
rows = list(rules)
assert [r[".id"] for r in rows] == [first, last], rows
assert rows[0]["protocol"] == "tcp" and rows[0]["dynamic"] is False, rows[0]
tuple(rules("move", numbers=first))
assert [r[".id"] for r in rules] == [last, first]
rules.update(**{".id": first, "comment": "changed"})
assert [r["comment"] for r in rules.select("comment")] == ["last", "changed"]
def refused(text, call):
    try:
        call()
    except (TrapError, MultiTrapError) as e:
        assert text in str(e), (text, str(e))
        return
    raise AssertionError("not refused: " + text)
refused("unknown parameter bogus", lambda: rules.add(chain="input", bogus="1"))
refused("input does not match any value of interface", lambda: rules.add(**{"chain": "input", "in-interface": "nosuch"}))
refused("no such item", lambda: rules.remove("*FFFF"))
lists = api.path("ip", "firewall", "address-list")
lists.add(list="l", address="192.0.2.1", timeout="1m")
refused("failure: already have such entry", lambda: lists.add(list="l", address="192.0.2.1/32"))
rules.remove(first, last)
assert list(rules) == []
try:
    librouteros.connect(host="127.0.0.1", port=int(sys.argv[1]), username="admin", password="wrong")
except (TrapError, MultiTrapError) as e:
    assert "invalid user name or password (6)" in str(e), str(e)
else:
    raise AssertionError("a wrong password was taken")
print("ok")
`

// python finds an interpreter that has the module; the first on the path need not be it.
func python(t *testing.T) string {
	t.Helper()
	for _, candidate := range []string{"/usr/bin/python3", "python3", "python"} {
		if exec.CommandContext(t.Context(), candidate, "-c", "import librouteros").Run() == nil {
			return candidate
		}
	}
	t.Skip("no Python with the module librouteros was found; Debian has it as python3-librouteros")
	return ""
}

func TestLibrouteros(t *testing.T) {
	interpreter := python(t)
	for _, v := range []string{"7.17", "7.20"} { // librouteros learnt !empty later than routers did
		t.Run(v, func(t *testing.T) {
			r := New(Options{Version: version(v), Users: []User{{Name: "admin", Password: "secret"}}})
			out, err := exec.CommandContext(t.Context(), interpreter, "-c", librouterosScript, strconv.Itoa(serving(t, r))).CombinedOutput()
			if err != nil || string(out) != "ok\n" {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
