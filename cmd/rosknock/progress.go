package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/operate"
)

// progress follows a run on standard error: a bar with counts, failures and times on a terminal, a
// line for each router otherwise. For one router it shows nothing of its own. It is also where
// messages of the routers go meanwhile, so that neither tears the other.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	run     fleetRun
	results [][]operate.Result       // of those that have not been shown
	bar     *progressbar.ProgressBar // nil without a terminal
	asking  bool                     // the line of the bar belongs to a question
	over    chan struct{}            // closed when the bar goes
	began   time.Time
	ended   int
	failed  int
}

func (t fleetRun) progress(results [][]operate.Result) *progress {
	p := &progress{w: t.err, run: t, results: results, began: t.now(), over: make(chan struct{})}
	// A bar and lines of results on one screen would tear each other.
	if len(results) > 1 && t.errTerminal && !t.Quiet && (t.Output != "jsonl" || !t.outTerminal) {
		p.bar = progressbar.NewOptions(len(results),
			progressbar.OptionSetWriter(t.screen), progressbar.OptionSetDescription(p.describe()), progressbar.OptionShowCount(),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetWidth(min(24, max(narrowBar, p.columns()-64))), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		_ = p.bar.RenderBlank()
		go p.tick()
	}
	return p
}

// narrowBar is how wide the bar is at least.
const narrowBar = 6

// columns is the width of the screen.
func (p *progress) columns() int {
	if p.run.outTerminal {
		return p.run.width
	}
	return 80
}

// tick keeps the times right while no router ends.
func (p *progress) tick() {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-p.over:
			return
		case <-second.C:
			p.mu.Lock()
			if p.bar != nil && !p.asking {
				p.bar.Describe(p.describe())
			}
			p.mu.Unlock()
		}
	}
}

// describe is what stands before the bar: what is done, how many failed, how long it has taken, and
// how long the rest takes if the routers that are left take as long as those before. What has no room
// is left out.
func (p *progress) describe() string {
	text := p.run.verb
	if p.failed > 0 {
		text += fmt.Sprintf(", %d failed", p.failed)
	}
	spent := p.run.now().Sub(p.began).Round(time.Second)
	if spent < time.Second {
		return text
	}
	words := []string{fmt.Sprintf(", %s so far", spent)}
	if p.ended > 0 && p.ended < len(p.results) {
		left := spent * time.Duration(len(p.results)-p.ended) / time.Duration(p.ended)
		words = slices.Insert(words, 0, fmt.Sprintf(", about %s left", left.Round(time.Second)))
	}
	counts := len(" 100% || (/) ") + 2*len(fmt.Sprint(len(p.results))) + narrowBar
	for _, word := range words {
		if len(text)+len(word)+counts < p.columns() {
			text += word
		}
	}
	return text
}

// Write implements [io.Writer]: a message goes above the bar.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.write(text)
}

func (p *progress) write(text []byte) (int, error) {
	if p.bar == nil {
		return p.w.Write(text)
	}
	_ = p.bar.Clear()
	n, err := p.w.Write(text)
	if p.asking = !bytes.HasSuffix(text, []byte("\n")); !p.asking { // a question keeps the line for its answer
		_ = p.bar.RenderBlank()
	}
	return n, err
}

// unlocked is a progress for code that holds its lock.
type unlocked struct{ *progress }

// Write implements [io.Writer].
func (p unlocked) Write(text []byte) (int, error) { return p.write(text) }

func (p *progress) observe(e fleet.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case fleet.Ended:
		p.end(e)
		p.results[e.Index] = nil
	case fleet.Rest:
		if p.run.Quiet {
			return
		}
		if e.Pause > 0 {
			p.say("wave %d of %d begins in %s", e.Wave, e.Waves, e.Pause)
		} else {
			p.say("wave %d of %d begins", e.Wave, e.Waves)
		}
	case fleet.Stopped:
		if len(p.results) > 1 {
			p.say("nothing more is begun: %v", e.Stop)
		}
	}
}

func (p *progress) say(format string, args ...any) {
	view.Say(unlocked{p}, "rosknock: "+format+"\n", args...)
}

// end shows what became of a router.
func (p *progress) end(e fleet.Event) {
	p.ended++
	if e.Verdict != fleet.Done {
		p.failed++
	}
	if len(p.results) < 2 {
		return
	}
	if p.bar != nil {
		p.bar.Describe(p.describe())
		_ = p.bar.Add(1)
	}
	bad := slices.ContainsFunc(p.results[e.Index], func(r operate.Result) bool { return r.Err != nil })
	if (p.bar != nil || p.run.silent || p.run.Quiet) && !bad {
		return
	}
	for _, r := range p.results[e.Index] {
		if r.Err == nil {
			view.Say(unlocked{p}, "[%d/%d] %s: %s\n", p.ended, len(p.results), r.Name, r.Says())
			continue
		}
		view.Say(unlocked{p}, "[%d/%d] %s: %s: %v\n", p.ended, len(p.results), r.Name, r.Says(), r.Err)
	}
}

// done takes the bar away.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
		p.bar = nil
		close(p.over)
	}
}

// notBegun says in one line how many routers' turn did not come, where the result is for a program.
func (p *progress) notBegun(errs []error) {
	n := 0
	var why *fleet.NotBegunError
	for _, err := range errs {
		if one, ok := errors.AsType[*fleet.NotBegunError](err); ok {
			n, why = n+1, one
		}
	}
	if n > 0 && p.run.Output != "text" {
		was := "router was"
		if n > 1 {
			was = "routers were"
		}
		p.say("%d %s not begun: %v", n, was, why.Why)
	}
}
