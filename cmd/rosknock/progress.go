package main

import (
	"bytes"
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

// progress follows a run on standard error: a bar with counts and the time left on a terminal, a
// line for each router otherwise. For one router it shows nothing of its own. It is also where
// messages of the routers go meanwhile, so that neither tears the other.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	run     fleetRun
	results [][]operate.Result       // of those that have not been shown
	bar     *progressbar.ProgressBar // nil without a terminal
	ended   int
	failed  int
}

func (t fleetRun) progress(results [][]operate.Result) *progress {
	p := &progress{w: t.err, run: t, results: results}
	// A bar and lines of results on one screen would tear each other.
	if len(results) > 1 && t.errTerminal && !t.Quiet && (t.Output != "jsonl" || !t.outTerminal) {
		p.bar = progressbar.NewOptions(len(results),
			progressbar.OptionSetWriter(t.screen), progressbar.OptionSetDescription(t.verb), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
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
	if bytes.HasSuffix(text, []byte("\n")) { // a question keeps the line for its answer
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
		if p.failed > 0 {
			p.bar.Describe(fmt.Sprintf("%s, %d failed", p.run.verb, p.failed))
		}
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
	}
}
