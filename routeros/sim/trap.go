package sim

// trap is a refusal. The texts are the router's (routeros-facts § 1.6).
type trap struct {
	message  string
	category string // empty where the router sends none
}

// The traps without a variable part.
func noSuchItem() *trap      { return &trap{"no such item", "0"} }
func noSuchCommand() *trap   { return &trap{"no such command", "0"} }
func noSuchPrefix() *trap    { return &trap{"no such command prefix", "0"} }
func cannot(do string) *trap { return &trap{"failure: cannot " + do + " builtin", ""} }
func denied() *trap          { return &trap{"not enough permissions (9)", ""} }
func interrupted() *trap     { return &trap{"interrupted", "2"} }
func missing(name string) *trap {
	return &trap{"missing =" + name + "=", ""}
}

func noValueOf(kind string) *trap { return &trap{"input does not match any value of " + kind, "1"} }
func invalidValue(arg string) *trap {
	return &trap{"invalid value for argument " + arg, "1"}
}
func outOfRange(arg, low, high string) *trap {
	return &trap{"value of " + arg + " is out of range (" + low + " .. " + high + ")", "1"}
}
func failure(text string) *trap { return &trap{"failure: " + text, ""} }

func (t *trap) words() []string {
	w := []string{"!trap"}
	if t.category != "" {
		w = append(w, "=category="+t.category)
	}
	return append(w, "=message="+t.message)
}
