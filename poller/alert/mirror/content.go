package mirror

import (
	"encoding/json"
	"fmt"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// Content is what a ledger says.
type Content struct {
	Alerts []alert.Alert `json:"alerts"`
}

// decode reads a ledger.
func decode(l store.Ledger) (c Content, err error) {
	if err := json.Unmarshal(l.Data, &c); err != nil {
		return c, fmt.Errorf("version %d of the ledger cannot be read: %w", l.Version, err)
	}
	return c, nil
}
