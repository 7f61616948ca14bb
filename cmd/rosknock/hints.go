package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/plans/form"
)

// elsewhere are words that other programs use, and the commands that do the same here. To revoke is
// to take somebody's trust away, and never to remove a plan.
func elsewhere() map[string][]string {
	return map[string][]string{
		"plan":      {"diff"},
		"preview":   {"diff"},
		"status":    {"diff", "audit", "trusted list"},
		"show":      {"audit", "trusted list", "journal"},
		"check":     {"lint", "diff", "inventory check"},
		"validate":  {"lint"},
		"verify":    {"prove", "test", "journal"},
		"doctor":    {"inventory check"},
		"ping":      {"inventory check"},
		"rollback":  {"undo"},
		"revert":    {"undo"},
		"restore":   {"undo"},
		"destroy":   {"remove"},
		"delete":    {"remove"},
		"uninstall": {"remove"},
		"install":   {"apply"},
		"deploy":    {"apply"},
		"push":      {"apply"},
		"up":        {"apply"},
		"open":      {"knock"},
		"scan":      {"audit"},
		"log":       {"journal"},
		"logs":      {"journal"},
		"history":   {"journal"},
		"simulate":  {"sim"},
		"simulator": {"sim"},
		"routers":   {"inventory list"},
		"hosts":     {"inventory list"},
		"trust":     {"trusted add"},
		"allow":     {"trusted add"},
		"grant":     {"trusted add"},
		"ban":       {"trusted revoke"},
		"block":     {"trusted revoke"},
		"deny":      {"trusted revoke"},
		"kick":      {"trusted revoke"},
		"export":    {"render"},
		"rekey":     {"rotate"},
	}
}

// meant are the commands below another that a word may stand for, by their words: one whose name
// begins so, one with a name close to it, one of the groups below, or what other programs call so.
// The order is that in which they are offered.
func meant(c *cobra.Command, word string) []string {
	word = strings.ToLower(word)
	names := map[string][]string{}
	if !c.HasParent() {
		names = elsewhere()
	}
	var begun, deeperBegun []string
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() && sub.Name() != "help" {
			continue
		}
		for _, deeper := range sub.Commands() {
			if deeper.IsAvailableCommand() && names[deeper.Name()] == nil {
				names[deeper.Name()] = belowOf(c, deeper.Name())
			}
			if strings.HasPrefix(deeper.Name(), word) {
				deeperBegun = append(deeperBegun, sub.Name()+" "+deeper.Name())
			}
		}
		if strings.HasPrefix(sub.Name(), word) {
			begun = append(begun, sub.Name())
		}
	}
	if paths := names[word]; paths != nil {
		return paths
	}
	if begun = slices.Concat(begun, deeperBegun); begun != nil {
		return begun
	}
	for _, sub := range c.Commands() { // a name of this level goes before one of another
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			names[sub.Name()] = []string{sub.Name()}
		}
	}
	near, _ := form.Nearest(word, slices.Sorted(maps.Keys(names)))
	return names[near]
}

// belowOf are the commands of that name in the groups below another, each by its words.
func belowOf(c *cobra.Command, name string) []string {
	var out []string
	for _, group := range c.Commands() {
		for _, sub := range group.Commands() {
			if sub.Name() == name && sub.IsAvailableCommand() {
				out = append(out, group.Name()+" "+name)
			}
		}
	}
	return out
}
