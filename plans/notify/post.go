package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// How long telling may take. Patience is for all of it: two tries, and the pause between them.
const (
	Patience = 10 * time.Second
	oneTry   = 4500 * time.Millisecond
	pause    = time.Second
)

// mostAnswer bounds the head of an answer in bytes; its body is never read.
const mostAnswer = 64 << 10

// Dial opens connections.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// NewClient returns a client that checks certificates and follows no redirect: a receiver that
// points elsewhere gets nothing told there. It goes through the proxy of the environment.
func NewClient(dial Dial) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial, DisableKeepAlives: true,
			MaxResponseHeaderBytes: mostAnswer, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Post sends a message to a URL. Where the receiver does not answer, or has no time, it tries once
// more. It takes [Patience] at most, less when the context ends. Errors name the host alone.
func Post(ctx context.Context, client *http.Client, to *url.URL, form Form, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	again, err := try(ctx, client, to, form, m)
	if again && rested(ctx) {
		_, err = try(ctx, client, to, form, m)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", routeros.Visible(to.Hostname(), 100), err)
	}
	return nil
}

// rested waits for the pause between two tries; false when the time is over.
func rested(ctx context.Context) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// try sends a message once. again says that another try may help.
func try(ctx context.Context, client *http.Client, to *url.URL, form Form, m Message) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneTry)
	defer cancel()
	body, header, err := encode(form, m)
	if err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return false, errors.New("its URL can't be asked for")
	}
	request.Header.Set("User-Agent", "rosknock")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		return true, withoutURL(ctx, err)
	}
	_ = answer.Body.Close()
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	case code >= 300 && code < 400:
		return false, fmt.Errorf("it answered %d: redirects are not followed; give the URL to which it leads", code)
	default:
		return code == http.StatusTooManyRequests || code >= 500, fmt.Errorf("it answered %d", code)
	}
}

// withoutURL is the cause of an error, without the URL that net/http puts before it.
func withoutURL(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("no answer in time")
	}
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	return errors.New(routeros.Visible(err.Error(), 200))
}
