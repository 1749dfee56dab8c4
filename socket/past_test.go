package socket

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/past"
)

func TestMembersOfAQuestionForASeriesAreReadOrRefusedWithASentence(t *testing.T) {
	at := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, members string
		want          past.SeriesQuestion
		refused       string
	}{
		{name: "none", members: `{}`},
		{name: "null", members: `{"field":null,"from":null,"to":null,"step":null,"agg":null}`},
		{name: "texts", members: `{"field":"data.a.b","from":"2026-11-25T10:00:00Z","step":"1d12h","agg":"p95"}`, want: past.SeriesQuestion{Field: "a.b", From: at, Step: 36 * time.Hour, Agg: "p95"}},
		{name: "numbers", members: `{"to":1795600800000,"step":0.30000000000000004}`, want: past.SeriesQuestion{To: at, Step: 300 * time.Millisecond}},
		{name: "a field that is no text", members: `{"field":{"$ne":1}}`, refused: `"field"`},
		{name: "an agg that is no text", members: `{"agg":["avg"]}`, refused: `"agg"`},
		{name: "a time that is none", members: `{"from":"soon"}`, refused: `"from"`},
		{name: "a time beyond all dates", members: `{"to":1e300}`, refused: `"to"`},
		{name: "a step that is none", members: `{"step":"fast"}`, refused: `"step"`},
		{name: "a step of nothing", members: `{"step":0}`, refused: `"step"`},
		{name: "a step that is too small", members: `{"step":0.0001}`, refused: `"step"`},
		{name: "a negative step", members: `{"step":-5}`, refused: `"step"`},
		{name: "a step beyond all times", members: `{"step":1e300}`, refused: `"step"`},
		{name: "a step that is an object", members: `{"step":{}}`, refused: `"step"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			var r request
			g.Expect(json.Unmarshal([]byte(c.members), &r)).To(Succeed())
			var q past.SeriesQuestion
			err := r.series(&q)
			if c.refused != "" {
				g.Expect(err).To(BeAssignableToTypeOf(&past.ParamError{}))
				g.Expect(err).To(MatchError(And(ContainSubstring(c.refused), MatchRegexp("allowed|expected"))))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(q).To(Equal(c.want))
		})
	}
}
