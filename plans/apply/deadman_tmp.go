package apply

import (
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

func (g *scheduled) prints() []routeros.Command {
	return []routeros.Command{armedEntries(), routeros.Print(routeros.Clock)}
}

func (g *scheduled) standing(results []api.Result, now time.Time) error {
	if results[0].Err != nil {
		return results[0].Err
	}
	if len(results[0].Rows) < 2 {
		return &GoneError{What: "the dead-man is gone"}
	}
	return nil
}
