package state

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Older versions knew routers by their address alone, which several routers may have. What they
// have left goes to the router that takes it over first, for good: a record in the journal says so
// ([TakeOver]), and a word in the line of a pin.

// Ref is how the state folder knows a router.
type Ref struct {
	Key     string // SITE/NAME
	Name    string // in older records
	Address string // host:port, by which older versions knew it; "" when that is of no interest
	// Sharing lists the keys of all known routers with this address; nil says that it is asked for
	// by its address, and so that what has this address is meant.
	Sharing func() []string
}

// TakeOver is the event of the record by which the router TakenBy takes over what older versions
// have written of its address. Such a record has no RouterKey: it is one of the address.
const TakeOver = "take-over"

// SharedError says that what an older version knew of an address can't be told to be a router's.
type SharedError struct {
	Key, Address, What string
	Sharing            []string // the keys of the routers that have the address
	Was                string   // or how it was called when it was written
}

// Error implements error.
func (e *SharedError) Error() string {
	why := "its router was called " + e.Was + " then"
	if e.Was == "" {
		first := e.Sharing[:min(3, len(e.Sharing))]
		why = strings.Join(first, ", ") + " have that address"
		if more := len(e.Sharing) - len(first); more > 0 {
			why = fmt.Sprintf("%s and %d more have that address", strings.Join(first, ", "), more)
		}
	}
	return fmt.Sprintf("%s: %s that an older rosknock kept for %s can't be told to be this router's, since %s: if it is, name the router by its address, with --router %s", e.Key, e.What, e.Address, why, e.Address)
}

// Of returns the records of a router, the oldest first: those of its key, and those of older
// versions for its address where they are its own. A *[SharedError] comes with the records and says
// that there are some that can't be told to be; a *[BrokenError] is as in [History.Records].
// takes says that they are to be taken over, see [TakeOver], before anything is written.
func (h *History) Of(r Ref) (records []Record, takes bool, err error) {
	records, err = h.Records(r.Key)
	if err != nil && !isBroken(err) {
		return nil, false, err
	}
	if r.Address == "" || r.Key == r.Address {
		return records, false, err
	}
	old, oldErr := h.Records(r.Address)
	if oldErr != nil && !isBroken(oldErr) {
		return nil, false, oldErr
	}
	err = cmp.Or(err, oldErr)
	if len(old) == 0 {
		return records, false, err
	}
	takes = true
	if at := slices.IndexFunc(old, func(r Record) bool { return r.Event == TakeOver }); at >= 0 {
		if old[at].TakenBy != r.Key {
			return records, false, err
		}
		takes = false
	} else if shared := r.shares(old); shared != nil {
		return records, false, cmp.Or[error](shared, err)
	}
	for _, o := range old {
		if o.Event != TakeOver {
			o.RouterKey, o.older = r.Key, true
			records = append(records, o)
		}
	}
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) })
	return records, takes, err
}

// shares says why older records may be another router's, or nil.
func (r Ref) shares(old []Record) *SharedError {
	if r.Sharing == nil {
		return nil
	}
	shared := SharedError{Key: r.Key, Address: r.Address, What: "what"}
	if shared.Sharing = r.Sharing(); len(shared.Sharing) > 1 {
		return &shared
	}
	host, _, _ := net.SplitHostPort(r.Address)
	for _, o := range old {
		if !slices.Contains([]string{"", r.Name, r.Address, host, "[" + host + "]"}, o.Router) {
			shared.Was = o.Router
			return &shared
		}
	}
	return nil
}

// BackupKey is the key by which [Dir.LoadBackup] finds the backup of a record's change.
func (r Record) BackupKey() string {
	if r.older {
		return r.Address
	}
	return r.Key()
}

func isBroken(err error) bool {
	_, ok := errors.AsType[*BrokenError](err)
	return ok
}
