package render_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/render"
	"github.com/rosknock/rosknock/routeros"
)

// inNamespace is what runs beside knockd: the lines of the configuration's comments, as somebody
// would copy them, and the rendered script. knockd looks at all knocks of one source for as long as
// a knock may take, so each comes from an address of its own.
const inNamespace = `
set -u
ip link set lo up
if command -v nft >/dev/null; then
  nft 'add table inet filter; add chain inet filter input { type filter hook input priority 0; }'
  sed -n 's/^#   nft/nft/p' "$1/knockd.conf" >"$1/sets.sh"
  sh -e "$1/sets.sh" || echo SETS REFUSED
  nft 'add rule inet filter input meta l4proto tcp drop' # nobody answers, as at a router; knockd sees the packets before that
fi
# shows FAMILY ADDRESS: waits for the set to be filled, where there is nft, else for knockd to say so.
shows() {
  for i in $(seq 100); do
    if command -v nft >/dev/null; then
      nft list set inet filter "rosknock-branch-admin-$1" | grep -q "$2 timeout" && break
    else
      grep -q "$2: admin: OPEN SESAME" "$log" && break
    fi
    sleep 0.1
  done
  command -v nft >/dev/null && nft list set inet filter "rosknock-branch-admin-$1" >>"$log"
}
log="$1/log"; : >"$log"
knockd -c "$1/knockd.conf" -i lo -v -D >>"$log" 2>&1 &
knockd=$!
for i in $(seq 100); do
  grep -q 'listening on' "$log" && break
  sleep 0.1
done
echo == client >>"$log"
sed -n 's/^#   knock/knock/p' "$1/knockd.conf" | sh >>"$log" 2>&1
shows v4 127.0.0.1
echo == script >>"$log"
sh "$1/knock.sh" ::1 >>"$log" 2>&1
shows v6 ::1
kill "$knockd"
wait
cat "$log"
`

// TestKnockd lets knockd read a rendered configuration, in a network of its own, and its client and
// the rendered script play the knock at it. Where nft is there, the sources end in the sets.
func TestKnockd(t *testing.T) {
	for _, name := range []string{"knockd", "knock", "unshare", "ip"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("there is no %s here", name)
		}
	}
	door := plans.Door{Name: "admin", Knock: []plans.Stage{tcp(41873), udp(17259, ""), tcp(52614)}, StageTimeout: 5e9, Trusted: plans.Trusted{List: "trusted", For: routeros.ListTimeout{Kind: routeros.Timed, For: 3600e9}}}
	c := render.Client{Plan: "branch", Door: door, Host: "127.0.0.1"}
	conf, err := render.Knockd([]render.Client{c})
	if err != nil {
		t.Fatal(err)
	}
	script, err := render.Shell(c)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"knockd.conf": conf, "knock.sh": script} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "unshare", "-n", "sh", "-c", inNamespace, "sh", dir).CombinedOutput() // #nosec G204 -- our own script
	if strings.Contains(string(out), "not permitted") || strings.Contains(string(out), "Permission denied") {
		t.Skip("no network of its own may be made here")
	}
	client, played, _ := strings.Cut(string(out), "== script")
	if n := strings.Count(played, "-> ::1:41873 "); n != 1 {
		t.Errorf("the script sent %d packets for its first stage\n%s", n, out)
	}
	for what, text := range map[string]string{"the client": client, "the script": played} {
		if !strings.Contains(text, "OPEN SESAME") || !strings.Contains(text, "running command: /usr/sbin/nft 'add element") {
			t.Errorf("knockd did not open to %s: %v\n%s", what, err, out)
		}
	}
	if _, err := exec.LookPath("nft"); err == nil && (strings.Contains(client, "SETS REFUSED") || !strings.Contains(client, "127.0.0.1 timeout 1h expires") || !strings.Contains(played, "::1 timeout 1h expires")) {
		t.Errorf("the sets are not filled\n%s", out)
	}
}
