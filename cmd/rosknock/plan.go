package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/form"
)

// maxPlan is more than any plan that is read: reading says that it is too large.
const maxPlan = 2 << 20

// readPlan reads a plan file, for no router in particular. More than a plan can be is not read at
// all.
func readPlan(s settings, name string) (plans.Plan, error) {
	data, err := readFile(name, maxPlan)
	if err != nil {
		return plans.Plan{}, invalid(err)
	}
	return plans.ReadWith(name, data, s.vars)
}

// readFile reads a file up to a size; a longer one comes back cut, one byte over.
func readFile(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: name a file", name)
	}
	var text bytes.Buffer
	text.Grow(int(min(info.Size(), most)) + bytes.MinRead) // a pipe has no size
	_, err = text.ReadFrom(io.LimitReader(file, most+1))
	return text.Bytes(), err
}

// planReader reads each plan once for each set of values of its variables.
type planReader struct {
	texts    map[string][]byte
	names    map[string][]string // variables by file
	read     map[string]plans.Plan
	failed   map[string]form.Problems // by file and values
	order    []form.Problem           // each once, as it was met first
	affected map[string][]string      // routers by problem
	resolve  func(plans.Plan, router) (plans.Plan, error)

	named       bool // on the command line, not by these inventories
	inventories []string
}

// stranger reports whether a file is named by an inventory but lies outside the folders of all
// inventories. Somebody else may have written the inventory, and want to be shown a file that is
// not theirs.
func (p *planReader) stranger(file string) bool {
	return !p.named && !slices.ContainsFunc(p.inventories, func(name string) bool {
		folder, err := realPath(filepath.Dir(name))
		path, err2 := realPath(file)
		if err != nil || err2 != nil {
			return false
		}
		rest, err := filepath.Rel(folder, path)
		return err == nil && filepath.IsLocal(rest)
	})
}

func realPath(name string) (string, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(full)
}

func (p *planReader) plan(file string, r router) (plans.Plan, error) {
	if _, known := p.texts[file]; !known {
		data, err := readFile(file, maxPlan)
		if err != nil {
			return plans.Plan{}, invalid(err)
		}
		p.texts[file], p.names[file] = data, plans.Variables(data)
	}
	values := []string{file}
	for _, name := range p.names[file] {
		value, set := r.vars[name]
		values = append(values, strconv.FormatBool(set)+value)
	}
	key := strings.Join(values, "\x00")
	if plan, ok := p.read[key]; ok {
		return plan, nil
	}
	problems, known := p.failed[key]
	if !known {
		plan, err := plans.ReadWith(file, p.texts[file], r.vars)
		if err == nil {
			if plan, err = p.resolve(plan, r); err != nil {
				return plan, err
			}
			p.read[key] = plan
			return plan, nil
		}
		if !errors.As(err, &problems) {
			return plan, err
		}
		if p.stranger(file) {
			problems = form.Problems{{
				File: file, Line: problems[0].Line, Column: problems[0].Column, Message: "it is not a valid plan, and lies outside the folder of the inventory that names it, so nothing of it is shown",
				Remedy: "rosknock lint " + file + " says what is wrong",
			}}
		}
		p.failed[key] = problems
	}
	for _, problem := range problems {
		text := problem.String()
		if p.affected[text] == nil {
			p.order = append(p.order, problem)
		}
		p.affected[text] = append(p.affected[text], r.Name)
	}
	return plans.Plan{}, nil
}

// problems returns the mistakes of all plans, each once. A mistake that not all routers of a plan
// share comes with the routers concerned.
func (p *planReader) problems() error {
	var out form.Problems
	for _, problem := range p.order {
		affected := p.affected[problem.String()]
		if len(p.names[problem.File]) > 0 {
			problem.Message += " (for " + someOf(affected) + ")"
		}
		out = append(out, problem)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
