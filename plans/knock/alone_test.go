//go:build !linux

package knock_test

import "testing"

// alone runs the rest of a test where there are no namespaces: packets of others may come.
func alone(_ *testing.T, test func()) { test() }
