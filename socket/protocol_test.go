package socket

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func TestPayloadsHaveTheirMembersInTheOrderOfTheContractAndPassDataThrough(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 45, 1, 2e6, time.UTC)
	value := func(source, data string, later time.Duration) store.Metric {
		return store.Metric{API: "acme", Source: source, Data: json.RawMessage(data), CreatedAt: at, UpdatedAt: at.Add(later)}
	}
	two := []store.Metric{value("us-east", `{"z":1.0,"a":null}`, 0), value("eu-west", `[]`, time.Second)}
	for _, payload := range []struct {
		name string
		json json.RawMessage
		want string
	}{
		{"one region", dataOfOne(two[0]), `{"api":"acme","source":"us-east","data":{"z":1.0,"a":null},"updatedAt":"2026-11-24T03:45:01.002Z"}`},
		{"all regions", dataOfAll("acme", two), `{"api":"acme","data":{"us-east":{"z":1.0,"a":null},"eu-west":[]},"count":2,` +
			`"updatedAtBySource":{"us-east":"2026-11-24T03:45:01.002Z","eu-west":"2026-11-24T03:45:02.002Z"}}`},
		{"no region", dataOfAll("acme", nil), `{"api":"acme","data":{},"count":0,"updatedAtBySource":{}}`},
		{"history of a region", history("acme", "US-east", pastRows{rows: two[:1]}), `{"api":"acme","source":"US-east","items":[` +
			`{"api":"acme","source":"us-east","data":{"z":1.0,"a":null},"createdAt":"2026-11-24T03:45:01.002Z","updatedAt":"2026-11-24T03:45:01.002Z"}],"count":1}`},
		{"history of all", history("acme", "", pastRows{rows: two}), `{"api":"acme","items":[` +
			`{"api":"acme","source":"us-east","data":{"z":1.0,"a":null},"createdAt":"2026-11-24T03:45:01.002Z","updatedAt":"2026-11-24T03:45:01.002Z"},` +
			`{"api":"acme","source":"eu-west","data":[],"createdAt":"2026-11-24T03:45:01.002Z","updatedAt":"2026-11-24T03:45:02.002Z"}],"count":2}`},
		{"history that was thinned", history("acme", "", pastRows{rows: two[:1], thinned: true, total: 7}), `{"api":"acme","items":[` +
			`{"api":"acme","source":"us-east","data":{"z":1.0,"a":null},"createdAt":"2026-11-24T03:45:01.002Z","updatedAt":"2026-11-24T03:45:01.002Z"}],"count":1,"thinned":true,"total":7}`},
		{"no history", history("acme", "", pastRows{rows: nil}), `{"api":"acme","items":[],"count":0}`},
		{"an update", update(store.Change{Metric: two[0]}, at), `{"api":"acme","source":"us-east","data":{"z":1.0,"a":null},"timestamp":"2026-11-24T03:45:01.002Z"}`},
	} {
		t.Run(payload.name, func(t *testing.T) {
			NewWithT(t).Expect(string(payload.json)).To(Equal(payload.want))
		})
	}
}
