package lint

import (
	"path"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans/form"
)

// Acceptance is a decision that something may stay as it is, with its reason.
type Acceptance struct {
	// Finding is the id of a finding, and Place its place, "" for every one. Or Exposure is the name
	// of what may be reached, as an audit names it.
	Finding, Place string
	Exposure       string
	Routers        []string // patterns of names; none is every router
	Reason         string
	Until          time.Time // the first day on which it no longer counts, in UTC; zero is never
	Line           int       // of the file
}

// acceptDocument is what messages call the file.
func acceptDocument() form.Document {
	return form.Document{What: "an accept file", Plural: "accept files", MaxBytes: 1 << 20,
		TooLarge: "the file is larger than 1 MiB", Empty: "the smallest accept file has a version and one item under accept"}
}

// AcceptSchema returns the JSON Schema of an accept file.
func AcceptSchema() []byte { return acceptForm().Schema("rosknock accept file") }

func acceptForm() form.Form {
	var ids []string
	for _, r := range Rules() {
		if r.From == FromRouter || r.From == FromBoth || r.From == FromPlan { // a router can have what a plan must not
			ids = append(ids, r.ID)
		}
	}
	return form.Mapping(
		form.Field{Name: "version", Required: true, About: "The version of the format.", Value: form.Number("the version of the format", 1, 1)},
		form.Field{Name: "accept", Required: true, About: "What may stay as it is.", Value: form.List(form.Mapping(
			form.Field{Name: "finding", About: "The id of a finding, such as L55. An item has either this or exposure.", Value: form.Of(form.Scalar{What: "a finding", Enum: ids})},
			form.Field{Name: "place", Fallback: "every place", About: "The place of the finding, as the audit writes it.", Value: form.Of(form.TextScalar("a place"))},
			form.Field{Name: "exposure", About: "What may be reached by more than --max-exposure allows, as the audit names it: winbox, dns.", Value: form.Of(form.TextScalar("an exposure"))},
			form.Field{Name: "routers", Fallback: "every router", About: "Names of routers, with * ? and [a-z].", Value: form.List(form.Of(form.Scalar{What: "a pattern of names", Check: checkPattern})).AtLeast(1)},
			form.Field{Name: "reason", Required: true, About: "Why. Results show it.", Value: form.Of(form.TextScalar("a reason"))},
			form.Field{Name: "until", Fallback: "for good", About: "The first day on which it no longer counts, as 2027-06-30, in UTC.",
				Value: form.Of(form.Scalar{What: "a day", Any: true, Pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, Check: checkDay})},
		).ExactlyOne("finding", "exposure")).AtLeast(1)},
	)
}

func checkPattern(text string) (why, remedy string) {
	if _, err := path.Match(text, ""); err != nil || text == "" {
		return "it is no pattern of names", "write a name, with * ? and [a-z]"
	}
	return "", ""
}

func checkDay(text string) (why, remedy string) {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "there is no such day", "write it as 2027-06-30"
	}
	return "", ""
}

// ReadAccept reads an accept file. The name is only for messages. The error is [form.Problems]: every
// mistake of the file, in order of place.
func ReadAccept(name string, data []byte) ([]Acceptance, error) {
	rd := form.NewReader(name, data, acceptDocument())
	var out []Acceptance
	if root := rd.Parse(); root != nil {
		rd.Check(root, acceptForm(), "an accept file")
		for _, n := range rd.Items(root, "accept") {
			one := Acceptance{
				Finding: rd.Text(n, "finding"), Place: rd.Text(n, "place"), Exposure: rd.Text(n, "exposure"),
				Routers: rd.Texts(n, "routers"), Reason: rd.Text(n, "reason"), Line: n.Line,
			}
			if place := rd.Child(n, "place"); place != nil && one.Exposure != "" {
				rd.Reject(place, "an exposure has no place", "leave place out")
			}
			one.Until, _ = time.Parse(time.DateOnly, rd.Text(n, "until"))
			out = append(out, one)
		}
	}
	if problems := rd.Problems(); problems != nil {
		return nil, problems
	}
	return out, nil
}

// counts reports whether an acceptance is for a router, at a time.
func (a Acceptance) counts(router string, now time.Time) bool {
	fits := func(pattern string) bool {
		ok, _ := path.Match(pattern, router)
		return ok
	}
	return (a.Until.IsZero() || now.Before(a.Until)) && (len(a.Routers) == 0 || slices.ContainsFunc(a.Routers, fits))
}

// Accepted returns the findings about a router that were accepted, each with its reason.
func Accepted(all []Acceptance, router string, now time.Time, findings []Finding) map[Finding]string {
	out := map[Finding]string{}
	for _, f := range findings {
		i := slices.IndexFunc(all, func(a Acceptance) bool {
			return a.Finding == f.ID && (a.Place == "" || a.Place == f.Place) && a.counts(router, now)
		})
		if i >= 0 {
			out[f] = all[i].Reason
		}
	}
	return out
}

// Decided returns the names of what may be exposed on a router, each with the reason of the first
// acceptance that names it.
func Decided(all []Acceptance, router string, now time.Time) map[string]string {
	out := map[string]string{}
	for _, a := range slices.Backward(all) {
		if a.Exposure != "" && a.counts(router, now) {
			out[a.Exposure] = a.Reason
		}
	}
	return out
}
