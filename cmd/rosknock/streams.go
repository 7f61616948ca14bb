package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"golang.org/x/term"
)

// streams are how a command talks with the person or the program that runs it.
type streams struct {
	in          io.Reader
	out, err    io.Writer
	inTerminal  bool // in is a person
	outTerminal bool
	errTerminal bool
	width       int // columns of out

	// What follows is set by [run].
	output *output     // out, with what became of it
	screen io.Writer   // err as it was given, for what moves the cursor
	asking *sync.Mutex // held while somebody is asked
}

// agrees shows a question at once, so that no other message falls in between, and waits for a yes.
// all, where there is one, remembers that the answer was yes to all questions of this kind.
func (e streams) agrees(ctx context.Context, all *bool, question func(io.Writer)) (bool, error) {
	e.asking.Lock()
	defer e.asking.Unlock()
	choice := "[y/N] "
	if all != nil {
		choice = "[y/N/all] "
		if *all {
			return true, nil
		}
	}
	var shown bytes.Buffer
	question(&shown)
	_, _ = e.err.Write(append(shown.Bytes(), choice...))
	answer, err := answered(ctx, func() (string, error) { return readLine(e.in) })
	if err != nil && answer == "" {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	case "a", "all":
		if all != nil {
			*all = true
		}
		return all != nil, nil
	}
	return false, nil
}

// ask asks for a secret, one question at a time.
func (e streams) ask(ctx context.Context, text string) (string, error) {
	if !e.inTerminal {
		return "", usagef("there is no terminal to ask for a password on: use ROSKNOCK_PASSWORD, --password-file or --password-command")
	}
	e.asking.Lock()
	defer e.asking.Unlock()
	return e.prompt(ctx, text)
}

// prompt asks on the terminal, without echo. Ctrl-C ends the question and leaves the terminal as it
// was.
func (e streams) prompt(ctx context.Context, text string) (string, error) {
	view.Say(e.err, "%s", text)
	defer view.Say(e.err, "\n")
	file, ok := e.in.(*os.File)
	if !ok {
		return "", errors.New("the password can't be asked for here: use ROSKNOCK_PASSWORD or --password-file")
	}
	fd := int(file.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	answer, err := answered(ctx, func() (string, error) {
		p, err := term.ReadPassword(fd)
		return string(p), err
	})
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(fd, state))
	}
	return answer, err
}

// answered waits for an answer or for the end of the context; a read from a terminal can't be
// called off, so it is left behind.
func answered(ctx context.Context, ask func() (string, error)) (string, error) {
	type reply struct {
		text string
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		text, err := ask()
		replies <- reply{text, err}
	}()
	select {
	case r := <-replies:
		return r.text, r.err
	case <-ctx.Done():
		return "", errInterrupted
	}
}

var errInterrupted = errors.New("interrupted; nothing was changed")

// readLine reads one line and not a byte more, so that the next question finds its own answer.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			return string(line), err
		}
	}
}
