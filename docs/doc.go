// Package docs holds the documentation and the tests that keep it and the architecture true. It has
// no code.
package docs
