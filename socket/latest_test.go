package socket

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

func TestTheAnswerWithAllRegionsIsEncodedAgainOnlyWhenItWouldLookDifferent(t *testing.T) {
	g := NewWithT(t)
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	values := []store.Metric{
		{API: "acme", Source: "us-east", Data: json.RawMessage(`1`), UpdatedAt: at},
		{API: "acme", Source: "eu-west", Data: json.RawMessage(`2`), UpdatedAt: at},
	}
	namespace := socketio.NewServer(socketio.Options{}).Of("/")
	var kept latest
	encoded := 0
	ask := func(values []store.Metric) *socketio.Prepared {
		answer, err := kept.of(values, func(values []store.Metric) (*socketio.Prepared, error) {
			encoded++
			return namespace.Prepare(EventData, dataOfAll("acme", values))
		})
		g.Expect(err).NotTo(HaveOccurred())
		return answer
	}
	changed := func(change func(values []store.Metric)) []store.Metric {
		other := slices.Clone(values)
		change(other)
		return other
	}
	first := ask(values)
	g.Expect(ask(values)).To(BeIdenticalTo(first))
	g.Expect(ask(changed(func(v []store.Metric) { v[0].Data = slices.Clone(v[0].Data) }))).To(BeIdenticalTo(first), "the same value read again")
	g.Expect(encoded).To(Equal(1))
	for i, other := range [][]store.Metric{
		changed(func(v []store.Metric) { v[1].Data = json.RawMessage(`3`) }),
		changed(func(v []store.Metric) { v[1].UpdatedAt = at.Add(time.Millisecond) }),
		changed(func(v []store.Metric) { v[0], v[1] = v[1], v[0] }),
		values[:1],
		nil,
	} {
		g.Expect(ask(other)).NotTo(BeIdenticalTo(first))
		g.Expect(encoded).To(Equal(2 + i))
	}
	// Whoever asked changes what it got: the answer that is kept does not follow.
	list := slices.Clone(values)
	ask(list)
	list[0].Data = json.RawMessage(`9`)
	count := encoded
	ask(list)
	g.Expect(encoded).To(Equal(count + 1))
	_, err := kept.of(values, func([]store.Metric) (*socketio.Prepared, error) { return nil, errors.New("a mistake") })
	g.Expect(err).To(MatchError("a mistake"))
}
