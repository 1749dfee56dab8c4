package rollup

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// found returns the fields of values by their paths.
func found(x *extractor, data string) map[string]any {
	all := map[string]any{}
	for i, v := range x.read([]byte(data)) {
		switch v.kind {
		case numeric:
			all[x.paths[i]] = v.number
		case textual:
			all[x.paths[i]] = v.text
		}
	}
	return all
}

func TestNumbersOfObjectsAreFoundAtAnyDepthInTheirOrder(t *testing.T) {
	g := NewWithT(t)
	x := newExtractor(FieldOptions{}, nil)
	g.Expect(found(x, `{"status":"ok","version":"1.2","b":{"c":1.5,"on":true,"none":null,"a.b\\":-2e3},"list":[1,{"x":2}],"a":0.1,"z":-0}`)).
		To(Equal(map[string]any{"status": "ok", "b.c": 1.5, `b.a\.b\\`: -2000.0, "a": 0.1, "z": 0.0}))
	g.Expect(x.paths).To(Equal([]string{"status", "b.c", `b.a\.b\\`, "a", "z"}))
	g.Expect(found(x, `{"a":"text","b":{"c":12345678901234567890.5}}`)).To(Equal(map[string]any{"b.c": 12345678901234567890.5}))
	g.Expect(found(x, `{"a":1,"a":2}`)).To(Equal(map[string]any{"a": 2.0}))
}

func TestWhatIsNoObjectHasNoFields(t *testing.T) {
	g := NewWithT(t)
	x := newExtractor(FieldOptions{}, nil)
	for _, data := range []string{`1`, `"ok"`, `[1]`, `null`, `{`, ``, `{"a":nan}`, `{"a":1e999}`, `{"":1}`, `{"\u0000":1}`,
		`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), `{"` + strings.Repeat("x", 500) + `":1}`} {
		g.Expect(found(x, data)).To(BeEmpty(), data)
	}
}

func TestFieldsAreBoundedInTheOrderInWhichTheyAreFound(t *testing.T) {
	g := NewWithT(t)
	x := newExtractor(FieldOptions{Max: 3, Exclude: []string{"noise.*"}}, []string{"noise.1", "a"})
	for i := range 100 {
		found(x, fmt.Sprintf(`{"noise":{"n%d":1},"f%d":1}`, i, i))
	}
	g.Expect(x.paths).To(Equal([]string{"noise.1", "a", "f0", "f1"}), "those that are known stay, and one that is excluded takes no place")
	g.Expect(x.full).To(BeTrue())
	g.Expect(found(x, `{"a":1,"f1":2,"f2":3,"noise":{"1":4}}`)).To(Equal(map[string]any{"a": 1.0, "f1": 2.0}))
}

func TestPatternsSayWhatIsKept(t *testing.T) {
	g := NewWithT(t)
	data := `{"status":"ok","cpu":{"load":1,"count":2},"disks":[{"used":3,"free":4}],"n":[5]}`
	names := func(o FieldOptions) (all []string) {
		x := newExtractor(o, nil)
		found(x, data)
		return x.paths
	}
	g.Expect(names(FieldOptions{})).To(Equal([]string{"status", "cpu.load", "cpu.count"}))
	g.Expect(names(FieldOptions{Include: []string{"*"}})).To(Equal([]string{"status", "cpu.load", "cpu.count"}))
	g.Expect(names(FieldOptions{Include: []string{"*.load"}})).To(Equal([]string{"status", "cpu.load"}))
	g.Expect(names(FieldOptions{Include: []string{"*", "disks.*.used", "n.0"}})).To(Equal([]string{"status", "cpu.load", "cpu.count", "disks.0.used", "n.0"}))
	g.Expect(names(FieldOptions{Include: []string{"disks.*"}, Exclude: []string{"*free", "status"}})).To(Equal([]string{"disks.0.used"}))
	g.Expect(names(FieldOptions{State: "cpu"})).To(Equal([]string{"cpu.load", "cpu.count"}))
}

func FuzzFields(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,{"c":2}],"status":"x"},"status":"ok"}`))
	x := newExtractor(FieldOptions{Include: []string{"*", "a*"}, Max: 20}, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := len(x.read(data)); n > 20 || len(x.paths) > 20 {
			t.Fatalf("%d fields", n)
		}
	})
}

func BenchmarkFields(b *testing.B) {
	data := []byte(sampleValue(1))
	x := newExtractor(FieldOptions{}, nil)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		x.read(data)
	}
}

// sampleValue is a value with 20 numbers.
func sampleValue(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"status":"ok","results":{"stats":{"server":{"cpu_load":%.2f,"active_connections":%d,"wait_time":%d.5}},"memory":{`, float64(n%997)/100, n%1013, n%31)
	for i := range 17 {
		fmt.Fprintf(&b, `%q:%d,"text_%d":"some text that stays",`, fmt.Sprintf("used_%d", i), n*(i+1)%10007, i)
	}
	return strings.TrimSuffix(b.String(), ",") + "}}}"
}

func BenchmarkFieldsByEncodingJSON(b *testing.B) {
	data := []byte(sampleValue(1))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var v map[string]any
		if err := json.Unmarshal(data, &v); err != nil {
			b.Fatal(err)
		}
	}
}
