package sim

// Fault decides what goes wrong with one request. It may be called by several sessions at once.
type Fault func(Request) Action

// Request is what a fault is asked about.
type Request struct {
	// Session counts the router's sessions from 1; Number counts the session's sentences from 1, login included.
	Session, Number int
	Words           []string
}

// Action is what becomes of a request.
type Action struct {
	Kind    ActionKind
	Message string // of Trap
}

// ActionKind is the kind of an [Action].
type ActionKind uint8

// The kinds. After a cut the connection is closed, with earlier answers sent; a stalled session takes
// requests and answers no more; garbage is sent in place of the answer, as bytes that are no framing.
const (
	Proceed     ActionKind = iota
	CutBefore              // the connection ends, nothing is done
	CutAfter               // it is done, the answer never leaves
	Trap                   // nothing is done, the answer is a trap with Message
	StallBefore            // nothing is done, no answer comes
	StallAfter             // it is done, no answer comes
	Garbage                // it is done, the answer is garbage
)

func (r *Router) fault(s *session, words []string) Action {
	if r.options.Fault == nil {
		return Action{}
	}
	return r.options.Fault(Request{Session: int(s.number), Number: s.sentences, Words: words})
}
