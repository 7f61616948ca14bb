package notify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// receiver answers requests over pipes, in turn; an empty answer is none, for ever.
type receiver struct {
	answers []string

	mu    sync.Mutex
	asked []string // hosts, each try
	took  []string // bodies
}

// dial connects to the receiver, whatever the address.
func (r *receiver) dial(_ context.Context, _, address string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := r.answers[min(len(r.asked), len(r.answers)-1)]
	r.asked = append(r.asked, address)
	if answer == "refuse" {
		return nil, errors.New("connection refused")
	}
	go func() {
		request, err := http.ReadRequest(bufio.NewReader(theirs))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		r.took = append(r.took, string(body))
		r.mu.Unlock()
		if answer == "" {
			_, _ = io.Copy(io.Discard, theirs) // until the other end gives up
		}
		_, _ = io.WriteString(theirs, answer)
		theirs.Close()
	}()
	return ours, nil
}

// TestPost: what a receiver may do to a message, and what it costs: never more than [Patience], one
// more try where that may help, and an error that names the host and neither path nor token.
func TestPost(t *testing.T) {
	const ok = "HTTP/1.1 204 No Content\r\n\r\n"
	for name, c := range map[string]struct {
		answers []string
		err     string
		tries   int
	}{
		"takes it":                        {[]string{ok}, "", 1},
		"takes it at the second try":      {[]string{"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", ok}, "", 2},
		"refuses, then takes it":          {[]string{"refuse", ok}, "", 2},
		"has too many":                    {[]string{"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"}, "it answered 429", 2},
		"does not know the hook":          {[]string{"HTTP/1.1 404 no_service\r\nContent-Length: 6\r\n\r\nt0ken!"}, "it answered 404", 1},
		"sends it elsewhere":              {[]string{"HTTP/1.1 307 Go\r\nLocation: https://evil.example/t0ken\r\nContent-Length: 0\r\n\r\n"}, "redirects are not followed", 1},
		"sends it elsewhere on this host": {[]string{"HTTP/1.1 308 Go\r\nLocation: /t0ken\r\nContent-Length: 0\r\n\r\n"}, "redirects are not followed", 1},
		"never answers":                   {[]string{""}, "no answer in time", 2},
		"never ends its head":             {[]string{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*mostAnswer)}, "server response headers exceeded", 2},
		"never ends its body":             {[]string{"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 1<<20)}, "", 1},
		"speaks something else":           {[]string{"\x1b[31mt0ken\r\n\r\n"}, "malformed HTTP", 2},
		"hangs up":                        {[]string{"HTTP/1.1 200 OK\r\n"}, "EOF", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answers: c.answers}
				to, err := ParseURL("http://localhost:9/services/t0ken?key=t0ken")
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				err = Post(t.Context(), NewClient(r.dial), to, JSON, Message{Command: "apply"})
				if took := time.Since(began); took > Patience {
					t.Errorf("it took %s", took)
				}
				if (err == nil) != (c.err == "") || err != nil && (!strings.HasPrefix(err.Error(), "localhost: ") || !strings.Contains(err.Error(), c.err)) {
					t.Errorf("%v, want %q", err, c.err)
				}
				if err != nil && (strings.Contains(err.Error(), "services") || strings.ContainsAny(err.Error(), "\x1b\r\n")) {
					t.Errorf("%q tells the path, or what the receiver said as it is", err)
				}
				if len(r.asked) != c.tries || strings.Contains(fmt.Sprint(r.asked), "evil") {
					t.Errorf("it was asked %q, not %d times", r.asked, c.tries)
				}
				synctest.Wait()
			})
		})
	}
}

// TestPostEnds: the end of the context ends a message at once.
func TestPostEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []string{""}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		to, _ := ParseURL("http://localhost/x")
		began := time.Now()
		if err := Post(ctx, NewClient(r.dial), to, JSON, Message{}); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		synctest.Wait()
	})
}

// TestPostTLS: a message goes only to a receiver whose certificate is known, and to nobody who stands
// in between.
func TestPostTLS(t *testing.T) {
	told := make(chan string, 4)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Title") + ": " + string(body)
	}))
	defer server.Close()
	server.Config.ErrorLog = nil
	to, err := url.Parse(server.URL + "/topic")
	if err != nil {
		t.Fatal(err)
	}
	m := Message{Command: "diff", Ended: &End{Meaning: "done"}}
	client := NewClient(new(net.Dialer).DialContext)
	if again, err := try(t.Context(), client, to, Ntfy, m); !again || err == nil || !strings.Contains(err.Error(), "certificate") || len(told) > 0 {
		t.Errorf("a certificate that nobody vouches for: %v, told %d", err, len(told))
	}
	client.Transport.(*http.Transport).TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if _, err := try(t.Context(), client, to, Ntfy, m); err != nil {
		t.Fatal(err)
	}
	if got := <-told; !strings.HasPrefix(got, "POST /topic rosknock diff: done: exit code 0: done") {
		t.Error(got)
	}
}

// TestQueue: a receiver that hangs holds up nobody, what comes meanwhile goes out in one message, and
// what is too much is counted.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes, missed []int
		hang := make(chan struct{})
		q := NewQueue(t.Context(), func(ctx context.Context, events []Event, dropped int) error {
			sizes, missed = append(sizes, len(events)), append(missed, dropped)
			select {
			case <-hang:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		q.Put(Event{})
		synctest.Wait()
		for range mostWaiting + 5 {
			q.Put(Event{})
		}
		close(hang)
		if untold := q.Close(t.Context()); untold != 0 || fmt.Sprint(sizes, missed) != fmt.Sprintf("[1 %d] [0 5]", mostWaiting) {
			t.Errorf("%d untold, sent %v, dropped %v", untold, sizes, missed)
		}
	})
}

// TestQueueFails: what a receiver did not take is counted in what it takes next, and after the end
// nothing is waited for any longer than the context says.
func TestQueueFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, missed := true, []int{}
		q := NewQueue(t.Context(), func(ctx context.Context, _ []Event, dropped int) error {
			switch {
			case len(missed) == 2:
				<-ctx.Done()
				return ctx.Err()
			case down:
				return errors.New("down")
			}
			missed = append(missed, dropped)
			return nil
		})
		q.Put(Event{})
		synctest.Wait()
		down = false
		q.Put(Event{})
		synctest.Wait()
		q.Put(Event{})
		synctest.Wait()
		if fmt.Sprint(missed) != "[1 0]" {
			t.Errorf("dropped %v", missed)
		}
		q.Put(Event{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if untold := q.Close(ctx); untold != 1 {
			t.Errorf("%d untold", untold)
		}
	})
}
