package plans_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/form"
)

// manyStages is a knock of so many stages in short form, none like the one before.
func manyStages(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("tcp/%d", 10000+i*7919%50000)
	}
	return strings.Join(out, ", ")
}

// TestMostStages: a knock that is longer than any is good for is refused where it becomes too long,
// however it is written, and the schema says so.
func TestMostStages(t *testing.T) {
	written := "      - {protocol: udp, port: 20001}\n      - {protocol: udp, port: 20002}\n"
	for name, c := range map[string]struct {
		knock string
		line  int
	}{
		"the most":       {" [" + manyStages(plans.MostStages) + "]", 0},
		"one more":       {" [" + manyStages(plans.MostStages+1) + "]", 5},
		"very many":      {" [" + manyStages(5000) + "]", 5},
		"written out":    {"\n" + strings.Repeat(written, plans.MostStages/2+1), 6 + plans.MostStages},
		"as a few lines": {"\n      [" + strings.ReplaceAll(manyStages(plans.MostStages+1), ", ", ",\n      ") + "]", 6 + plans.MostStages},
	} {
		text := "version: 1\nname: x\ndoors:\n  a:\n    knock:" + c.knock + "\n    trusted: {list: t, for: 1h}\n"
		_, err := plans.Read("x.yaml", []byte(text))
		problems, _ := errors.AsType[form.Problems](err)
		if c.line == 0 && err == nil {
			continue
		}
		if len(problems) != 1 || problems[0].Line != c.line || !strings.Contains(problems[0].Message, fmt.Sprintf("%d are the most", plans.MostStages)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := plans.ParseKnock(manyStages(plans.MostStages)); err != nil {
		t.Error(err)
	}
	if _, err := plans.ParseKnock(manyStages(plans.MostStages + 1)); err == nil || !strings.Contains(err.Error(), "are the most") {
		t.Error(err)
	}
	schema, err := json.Marshal(json.RawMessage(plans.Schema()))
	if err != nil || !strings.Contains(string(schema), `"maxItems":64`) {
		t.Errorf("the schema does not say it: %v", err)
	}
}
