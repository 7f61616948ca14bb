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
// requests and answers no more; one that vanished is as a stalled one, and the router does not notice either when its client
// gives up (Knobs.Silence); garbage is sent in place of the answer, as bytes that are no framing.
const (
	Proceed      ActionKind = iota
	CutBefore               // the connection ends, nothing is done
	CutAfter                // it is done, the answer never leaves
	Trap                    // nothing is done, the answer is a trap with Message
	StallBefore             // nothing is done, no answer comes
	StallAfter              // it is done, no answer comes
	VanishBefore            // nothing is done, the line is dead and nobody knows
	VanishAfter             // it is done, the line is dead and nobody knows
	Garbage                 // it is done, the answer is garbage
	HalfSentence            // it is done, the connection ends in the middle of the answer
	Drip                    // it is done, the answer comes byte by byte, ten in a second
	RebootBefore            // nothing is done, the router starts anew
	RebootAfter             // it is done, then the router starts anew
)

func (r *Router) fault(s *session, words []string) Action {
	if r.options.Fault == nil {
		return Action{}
	}
	return r.options.Fault(Request{Session: int(s.number), Number: s.sentences, Words: words})
}
