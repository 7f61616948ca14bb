package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// initAnswers are what neither the router nor rosknock knows of a first plan.
type initAnswers struct {
	allowText, opensText string

	// What follows is what was said; nil and "" leave the choice to the plan.
	allow   []netip.Prefix
	opens   []string
	lasting string
	given   map[string]bool // by a flag
}

func (a *initAnswers) flags(c *cobra.Command) {
	c.Flags().StringVar(&a.allowText, "allow", "", "`ADDRESSES` and networks that never have to knock, several with commas; or none")
	c.Flags().StringVar(&a.opensText, "opens", "", "`SERVICES` that the door opens, several with commas; default: all that run")
	c.Flags().StringVar(&a.lasting, "for", "", "`TIME` for which a knock lets in; default: 8h")
}

// read reads what the flags say. Which services there are is known later.
func (a *initAnswers) read(c *cobra.Command) error {
	a.given = map[string]bool{}
	for _, name := range []string{"name", "allow", "opens", "for"} {
		a.given[name] = c.Flags().Changed(name)
	}
	if err := a.setAllow(a.allowText); err != nil {
		return usagef("--allow %q: %w", a.allowText, err)
	}
	if a.given["for"] {
		if err := a.setFor(a.lasting); err != nil {
			return usagef("--for %q: %w", a.lasting, err)
		}
	}
	return nil
}

// setAllow reads addresses and networks.
func (a *initAnswers) setAllow(text string) error {
	a.allow = nil
	if strings.EqualFold(strings.TrimSpace(text), "none") {
		return nil
	}
	for _, word := range separated(text) {
		prefix, err := netip.ParsePrefix(word)
		if addr, err2 := netip.ParseAddr(word); err2 == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil || prefix.Masked() != prefix:
			return fmt.Errorf("%s is no address and no network, such as 198.51.100.7 or 198.51.100.0/24", routeros.Visible(word, 60))
		case prefix.Bits() == 0:
			return fmt.Errorf("%s is everybody, who would never have to knock", word)
		}
		a.allow = append(a.allow, prefix)
	}
	return nil
}

// setOpens reads services, of those that there are.
func (a *initAnswers) setOpens(text string, of []string) error {
	a.opens = nil
	for _, word := range separated(text) {
		if !slices.Contains(of, word) {
			return fmt.Errorf("%s is none of them: choose from %s", routeros.Visible(word, 60), strings.Join(of, ", "))
		}
		if !slices.Contains(a.opens, word) {
			a.opens = append(a.opens, word)
		}
	}
	return nil
}

// setFor reads for how long a knock lets in.
func (a *initAnswers) setFor(text string) error {
	d, err := routeros.ParseDuration(strings.TrimSpace(text))
	if err != nil || d <= 0 || d > routeros.MaxListTimeout {
		return fmt.Errorf("a time is expected, such as 30m, 8h or 7d")
	}
	a.lasting = routeros.FormatDuration(d)
	return nil
}

// separated cuts a list apart at commas and blanks.
func separated(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// bareAddress is a prefix as people write it: an address alone without its length.
func bareAddress(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// firstServices are those that the door of a plan may open where no router is known.
func firstServices() []string {
	var out []string
	for _, s := range routeros.Services() {
		if !slices.Contains([]string{"telnet", "www", "ftp"}, s.Name) { // which the plan switches off
			out = append(out, s.Name)
		}
	}
	return out
}

// asks reports whether somebody is there to answer.
func (i *initRun) asks() bool { return i.inTerminal && !i.Yes && !view.IsJSON(i.Output) }

// askName asks for the plan's name, where no flag says it.
func (i *initRun) askName(c *cobra.Command) error {
	if !i.asks() || c.Flags().Changed("name") {
		return nil
	}
	return i.question(c.Context(), "What is the plan called? Its name stands in the comment of every rule.", i.name, func(text string) error {
		if why := plans.CheckName(text); why != "" {
			return fmt.Errorf("%s", why)
		}
		i.name = text
		return nil
	})
}

// ask asks what is not known yet, with what is taken without an answer: the addresses of who asks,
// and the services that the door opens, of those that there are.
func (i *initRun) ask(ctx context.Context, own []netip.Addr, services, opened []string) error {
	a := &i.answers
	if a.given["opens"] {
		if err := a.setOpens(a.opensText, services); err != nil {
			return usagef("--opens %q: %w", a.opensText, err)
		}
	}
	if !i.asks() {
		return nil
	}
	if !a.given["allow"] {
		standard, from := "none", ""
		if len(own) > 0 {
			var list []string
			for _, addr := range own {
				list = append(list, addr.WithZone("").String())
			}
			standard, from = strings.Join(list, ", "), ", beside the router's own networks; the router sees you come from "+strings.Join(list, ", ")
		}
		if err := i.question(ctx, "Which addresses or networks never have to knock"+from+"? Several with commas, or none.", standard, a.setAllow); err != nil {
			return err
		}
	}
	if !a.given["opens"] && len(services) > 0 {
		set := func(text string) error { return a.setOpens(text, services) }
		if err := i.question(ctx, "Which services does the knock open, of "+strings.Join(services, ", ")+"?", strings.Join(opened, ", "), set); err != nil {
			return err
		}
	}
	if !a.given["for"] {
		return i.question(ctx, "For how long does a knock let in?", "8h", a.setFor)
	}
	return nil
}

// question asks until an answer can be taken. Without an answer the standard is taken.
func (e streams) question(ctx context.Context, text, standard string, take func(string) error) error {
	e.asking.Lock()
	defer e.asking.Unlock()
	for {
		view.Ask(e.err, e.width, "%s [%s]", text, standard)
		answer, err := answered(ctx, func() (string, error) { return readLine(e.in) })
		if err != nil && answer == "" { // nobody is there any more
			return fmt.Errorf("nothing was written: %w", err)
		}
		if answer = strings.TrimSpace(answer); answer == "" {
			answer = standard
		}
		if err = take(answer); err == nil {
			return nil
		}
		view.Say(e.err, "%v\n", err)
	}
}
