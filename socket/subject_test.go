package socket

import (
	"encoding/json"
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

// six is the catalog of a server without a file of settings.
func six() store.Catalog {
	acme := store.API{Name: "acme"}
	for _, name := range store.Regions() {
		acme.Regions = append(acme.Regions, store.Region{Name: name})
	}
	return store.Catalog{acme}
}

func two() store.Catalog {
	return store.Catalog{
		{Name: "acme", Regions: []store.Region{{Name: "us-east"}, {Name: "eu-west"}}},
		{Name: "other.2", Regions: []store.Region{{Name: "mars_1"}}},
	}
}

func TestAQuestionNamesAnAPIAndARegion(t *testing.T) {
	const (
		anyAPI = `{"message":"Invalid api","allowed":["acme","other.2"]}`
		acme   = `{"message":"Invalid source","allowed":["us-east","eu-west"]}`
		other  = `{"message":"Invalid source","allowed":["mars_1"]}`
		failed = `{"message":"Failed"}`
	)
	h := &Hub{Options: Options{Catalog: two}}
	for _, c := range []struct{ question, api, source, written, refused string }{
		{question: `{}`, api: "acme"},
		{question: `{"source":"EU-West"}`, api: "acme", source: "eu-west", written: "EU-West"},
		{question: `{"api":null,"source":"eu-west"}`, api: "acme", source: "eu-west", written: "eu-west"},
		{question: `{"api":"","source":null}`, api: "acme"},
		{question: `{"api":0}`, api: "acme"},
		{question: `{"api":"OTHER.2"}`, api: "other.2"},
		{question: `{"api":"other\u002e2","source":"mars_1"}`, api: "other.2", source: "mars_1", written: "mars_1"},
		{question: `{"api":"other.2","source":"us-east"}`, refused: other},
		{question: `{"source":"mars_1"}`, refused: acme},
		{question: `{"api":"mars"}`, refused: anyAPI},
		{question: `{"api":["acme"]}`, refused: anyAPI},
		{question: `{"api":5,"source":"us-east"}`, refused: anyAPI},
		{question: `{"api":{"$ne":1},"source":5}`, refused: anyAPI},
		{question: `{"source":5}`, refused: failed},
		{question: `{"api":"other.2","source":{}}`, refused: failed},
	} {
		t.Run(c.question, func(t *testing.T) {
			g := NewWithT(t)
			var r request
			g.Expect(json.Unmarshal([]byte(c.question), &r)).To(Succeed())
			of, err := h.subject(r, "Failed")
			g.Expect(answerTo(err)).To(Equal(c.refused))
			if c.refused == "" {
				g.Expect([]string{of.api.Name, of.source, of.written}).To(Equal([]string{c.api, c.source, c.written}))
			}
		})
	}
	_, err := h.subject(request{"source": json.RawMessage("5")}, "")
	NewWithT(t).Expect(answerTo(err)).To(Equal(acme))
	_, err = h.subjectWithRegion(request{"api": json.RawMessage(`"other.2"`)})
	NewWithT(t).Expect(answerTo(err)).To(Equal(other))
}

// answerTo is what a dashboard hears of a refusal.
func answerTo(err error) string {
	if no := (*refusal)(nil); errors.As(err, &no) {
		return string(no.payload().json())
	}
	return ""
}

func TestARoomIsThatOfARegionOfTheCatalog(t *testing.T) {
	g := NewWithT(t)
	h := &Hub{Options: Options{Catalog: two}}
	place := func(room string) []any {
		api, source, ok := h.place(room)
		return []any{api, source, ok}
	}
	g.Expect(place(Room("other.2", "mars_1"))).To(Equal([]any{"other.2", "mars_1", true}))
	for _, room := range []string{"metrics:acme:mars_1", "metrics:mars:us-east", "metrics::us-east", "metrics:acme", "metrics:", "acme:us-east", "", "metrics:acme:us-east:x"} {
		g.Expect(place(room)[2]).To(BeFalse(), room)
	}
}
