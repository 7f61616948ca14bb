package sim

// Fault decides which fault happens to one request. Several sessions may call it at once.
type Fault func(Request) Action

// Request describes a request to a fault.
type Request struct {
	// Session counts the router's sessions from 1; Number counts the session's sentences from 1,
	// login included.
	Session, Number int
	Words           []string
}

// Action is what happens to a request.
type Action struct {
	Kind    ActionKind
	Message string // of Trap
}

// ActionKind is the kind of an [Action].
type ActionKind uint8

// The kinds. After a cut the connection is closed, with earlier answers sent; a stalled session
// accepts requests but does not answer any more; a vanished one is the same, but the router does
// not notice when its client gives up (Knobs.Silence); garbage is sent in place of the answer, as
// bytes that are not valid framing.
const (
	Proceed      ActionKind = iota
	CutBefore               // the connection ends, nothing is done
	CutAfter                // it is done, the answer never leaves
	Trap                    // nothing is done, the answer is a trap with Message
	StallBefore             // nothing is done, no answer comes
	StallAfter              // it is done, no answer comes
	VanishBefore            // nothing is done, the line is dead and neither end notices
	VanishAfter             // it is done, the line is dead and neither end notices
	Garbage                 // it is done, the answer is garbage
	HalfSentence            // it is done, the connection ends in the middle of the answer
	Drip                    // it is done, the answer comes byte by byte, ten in a second
	RebootBefore            // nothing is done, the router starts anew
	RebootAfter             // it is done, then the router starts anew
)

func (s *session) fault(words []string) Action {
	if s.router.options.Fault == nil {
		return Action{}
	}
	return s.router.options.Fault(Request{Session: int(s.number), Number: s.sentences, Words: words})
}
