package alert

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// filled returns a value of which every member is set.
func filled[T any](g Gomega) (v T) {
	fill(g, reflect.ValueOf(&v).Elem())
	return v
}

func fill(g Gomega, v reflect.Value) {
	at := time.Date(2026, 12, 1, 16, 0, 0, 5e8, time.UTC)
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(at))
	case v.Kind() == reflect.String:
		v.SetString("a <b> & \"c\"\n\u2028")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(g, v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(g, v.Index(0))
		fill(g, v.Index(1))
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"b": "1", "a": "2"}))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(g, v.Field(i))
		}
	default:
		g.Expect(v.Kind()).To(BeZero(), "the test does not know how to fill it")
	}
}

func TestWhatIsToldOfAlertsHasTheMembersOfEncodingJSON(t *testing.T) {
	g := NewWithT(t)
	same := func(v any, text []byte) {
		t.Helper()
		want, err := json.Marshal(v)
		g.Expect(err).NotTo(HaveOccurred())
		again := reflect.New(reflect.TypeOf(v))
		g.Expect(json.Unmarshal(text, again.Interface())).To(Succeed(), "%s", text)
		g.Expect(again.Elem().Interface()).To(Equal(v))
		g.Expect(keys(g, text)).To(Equal(keys(g, want)))
	}
	a, w := filled[Alert](g), filled[Window](g)
	same(a, a.AppendJSON(nil))
	same(w, w.AppendJSON(nil))
	incident, silence := filled[Incident](g), filled[Silence](g)
	same(incident, incident.AppendJSON(nil))
	same(silence, silence.AppendJSON(nil))
	at := a.PendingAt
	same(Alert{Labels: map[string]string{}, PendingAt: at}, Alert{Labels: map[string]string{}, PendingAt: at}.AppendJSON(nil))
	same(Window{StartsAt: at, EndsAt: at, AnnounceAt: at}, Window{StartsAt: at, EndsAt: at, AnnounceAt: at}.AppendJSON(nil))
}

// keys returns the names of the members of an object in their order.
func keys(g Gomega, text []byte) (all []string) {
	d := json.NewDecoder(bytes.NewReader(text))
	_, err := d.Token()
	g.Expect(err).NotTo(HaveOccurred())
	for d.More() {
		name, err := d.Token()
		g.Expect(err).NotTo(HaveOccurred())
		var value json.RawMessage
		g.Expect(d.Decode(&value)).To(Succeed())
		all = append(all, name.(string))
	}
	return all
}

func TestDatesAndTextsAreWrittenAsInAllOtherAnswers(t *testing.T) {
	g := NewWithT(t)
	at := time.Date(2026, 12, 1, 17, 0, 0, 0, time.FixedZone("CET", 3600))
	w := Window{ID: "w", Title: "<b>\xff\u2028", StartsAt: at, EndsAt: at, AnnounceAt: at}
	g.Expect(string(w.AppendJSON([]byte("x")))).To(Equal(`x{"id":"w","api":"","title":"<b>` + "\ufffd\u2028" + `",` +
		`"startsAt":"2026-12-01T16:00:00.000Z","endsAt":"2026-12-01T16:00:00.000Z","announceAt":"2026-12-01T16:00:00.000Z","state":""}`))
	a := Alert{PendingAt: at}
	g.Expect(string(a.AppendJSON(nil))).To(ContainSubstring(`"labels":{}`), "also where there are none")
}
