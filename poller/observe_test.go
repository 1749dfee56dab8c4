package poller

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

type observed struct{}

// contextual is a Saver that knows whether it was called in the observer's context.
type contextual struct{ err error }

func (c contextual) Save(ctx context.Context, _ store.Sample) (bool, error) {
	return ctx.Value(observed{}) != nil, c.err
}

func TestAnObserverIsToldBetweenTheAnswerAndTheStoring(t *testing.T) {
	down := func(context.Context) (json.RawMessage, error) { return nil, &Error{Code: CodeRefused, Text: "down"} }
	up := func(context.Context) (json.RawMessage, error) { return json.RawMessage(`1`), nil }
	for name, c := range map[string]struct {
		fetch   Source
		saver   contextual
		changed bool
		before  Code
		after   Code
	}{
		"a value":                          {fetch: up, changed: true},
		"a value that cannot be stored":    {fetch: up, saver: contextual{errors.New("full")}, after: CodeStore},
		"an upstream that does not answer": {fetch: down, before: CodeRefused, after: CodeRefused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				var before, after []Result
				results := resultsOf(t, 5*time.Second, Options{
					Saver: c.saver, Interval: time.Minute, Targets: one(c.fetch),
					Observe: func(ctx context.Context, r Result) (context.Context, func(Result)) {
						before = append(before, r)
						return context.WithValue(ctx, observed{}, true), func(r Result) { after = append(after, r) }
					},
				})
				g.Expect(results).To(HaveLen(1))
				g.Expect(before).To(HaveLen(1))
				g.Expect(after).To(HaveLen(1))
				g.Expect(codeOf(before[0])).To(Equal(c.before))
				g.Expect(codeOf(after[0])).To(Equal(c.after))
				g.Expect(after[0].Changed).To(Equal(c.changed))
				g.Expect(results[0].Changed).To(Equal(c.changed))
			})
		})
	}
}

func TestAnObserverIsNotToldOfAPollThatAnotherInstanceMakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		told := 0
		g.Expect(resultsOf(t, 5*time.Second, Options{
			Saver: contextual{}, MayStore: func() bool { return false },
			Targets: one(func(context.Context) (json.RawMessage, error) { return json.RawMessage(`1`), nil }),
			Observe: func(ctx context.Context, _ Result) (context.Context, func(Result)) {
				told++
				return ctx, func(Result) { told++ }
			},
		})).To(BeEmpty())
		g.Expect(told).To(BeZero())
	})
}

func codeOf(r Result) Code {
	if r.Err == nil {
		return ""
	}
	return r.Err.Code
}
