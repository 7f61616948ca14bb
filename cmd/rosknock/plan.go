package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/rosknock/rosknock/plans"
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
