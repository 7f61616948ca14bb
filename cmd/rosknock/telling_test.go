package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/routeros"
)

// receiver takes what is told.
type receiver struct {
	*httptest.Server
	took chan string
}

func newReceiver(t *testing.T) receiver {
	t.Helper()
	r := receiver{took: make(chan string, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.took <- request.Header.Get("Content-Type") + " " + string(body)
	}))
	t.Cleanup(r.Close)
	return r
}

// toldOf runs a command on a site whose receiver stands in the environment.
func toldOf(ctx context.Context, s *site, hook string, out io.Writer, args ...string) int {
	e := env{streams: streams{in: strings.NewReader(""), out: out, err: out, width: 80}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string {
		return map[string]string{"ROSKNOCK_PASSWORD": "secret", "HOOK": hook}[name]
	}}
	return run(ctx, e, s.args(args...))
}

// TestTold: the end of a run is told in every form, with what is no secret alone, and after Ctrl-C,
// too.
func TestTold(t *testing.T) {
	s, r := newSite(t, "7.20", 0), newReceiver(t)
	var said bytes.Buffer
	code := toldOf(t.Context(), s, r.URL+"/t0ken", &said, "apply", "first.yaml", "--yes", "--reveal", "-v", "--notify", "env:HOOK", "--notify", "slack+env:HOOK", "--notify", "teams+env:HOOK", "--notify", "ntfy+env:HOOK")
	var forms int
	for range 4 {
		told := <-r.took
		for _, secret := range []string{"41873", "17259", "52614", "secret", "t0ken"} {
			if strings.Contains(told, secret) {
				t.Errorf("%s is told: %s", secret, told)
			}
		}
		if !strings.Contains(told, "1 router: 1 changed") || !strings.Contains(told, "exit code 0: done") {
			t.Error(told)
		}
		for _, form := range []string{`"format":"rosknock.notify/1"`, `{"text":"*rosknock apply: done*`, "AdaptiveCard", "text/plain"} {
			if strings.Contains(told, form) {
				forms++
			}
		}
	}
	if code != 0 || forms != 4 || strings.Contains(said.String(), "t0ken") {
		t.Errorf("%d, %d forms, %s", code, forms, said.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code = toldOf(ctx, s, r.URL, io.Discard, "diff", "first.yaml", "--notify", "env:HOOK")
	if told := <-r.took; code != int(exitInterrupted) || !strings.Contains(told, `"exit":130`) {
		t.Errorf("%d, %s", code, told)
	}
}

// TestToldByWatch: a change of a trusted list is told as it happens, with its address and door, and
// then the end of the watch. A receiver that never answers holds up neither.
func TestToldByWatch(t *testing.T) {
	s, r := newSite(t, "7.20", 0), newReceiver(t)
	if code := s.rosknock("apply", "first.yaml", "--yes"); code != 0 {
		t.Fatal(s.out.String())
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	said, to := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		writeTest(t, filepath.Join(s.dir, "hook"), "http://"+silent.Addr().String())
		ended <- toldOf(ctx, s, r.URL, to, "trusted", "watch", "--notify", "env:HOOK", "--notify", "file:"+filepath.Join(s.dir, "hook"))
		to.Close()
	}()
	awaitLine(t, said, ": following")
	go func() { _, _ = io.Copy(io.Discard, said) }()
	check(t, s.router.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", "t", "address", "192.0.2.1", "timeout", "1h")))
	var message struct {
		Command string
		Events  []struct{ Router, Event, Address string }
		Exit    *int
	}
	_, body, _ := strings.Cut(<-r.took, " ")
	if err := json.Unmarshal([]byte(body), &message); err != nil || message.Exit != nil || len(message.Events) != 1 || message.Events[0].Event != "added" || message.Events[0].Address != "192.0.2.1" {
		t.Errorf("%s, %v", body, err)
	}
	silent.Close() // what hangs there is refused from now on
	cancel()
	if told := <-r.took; !strings.Contains(told, `"command":"trusted watch"`) || !strings.Contains(told, `"exit":130`) {
		t.Error(told)
	}
	if code := <-ended; code != int(exitInterrupted) {
		t.Error(code)
	}
}

// awaitLine reads until a text has come.
func awaitLine(t *testing.T, from io.Reader, text string) {
	t.Helper()
	var all []byte
	for one := make([]byte, 1); !strings.Contains(string(all), text); {
		if _, err := from.Read(one); err != nil {
			t.Fatalf("%v; it says %q, and not %q", err, all, text)
		}
		all = append(all, one...)
	}
}

// TestToldCommands: the help of --notify names the commands whose end is told, all of them and no
// other.
func TestToldCommands(t *testing.T) {
	root := newRoot(env{})
	usage := root.PersistentFlags().Lookup("notify").Usage
	_, list, _ := strings.Cut(usage, "how ")
	list, _, _ = strings.Cut(list, " ended")
	var want []string
	everyCommand(root, func(c *cobra.Command) {
		if tells(c) {
			want = append(want, strings.TrimPrefix(c.CommandPath(), "rosknock "))
		}
	})
	got := strings.Split(strings.ReplaceAll(list, " or ", ", "), ", ")
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the help names %q, and told are %q", got, want)
	}
}
