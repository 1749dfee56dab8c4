package rule

import (
	"encoding/json"
	"math"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("a rule over a region", func() {
	DescribeTable("holds", func(expr string) {
		Expect(holds(expr, overRegion())).To(BeTrue())
		Expect(holds("not ("+expr+")", overRegion())).To(BeFalse())
		Expect(compiled(expr).Over()).To(Equal(OverRegion))
	},
		Entry(nil, `down`),
		Entry(nil, `!up && !degraded && !unknown && !stale && !offline`),
		Entry(nil, `state == "down" and reason == "fire"`),
		Entry(nil, `region == "eu-west" && api == "acme"`),
		Entry(nil, `failures == 3`),
		Entry(nil, `latency == 1500`),
		Entry(nil, `age == 60 && unchanged == 3600`),
		Entry(nil, `unchanged >= duration("1h") and age < duration("90s")`),
		Entry(nil, `status != "ok"`),
		Entry(nil, `data.cpu > 90 && status != "ok"`),
		Entry("a field by its name as a text", `data["cpu"] > 95 and data["a.b"] == 1`),
		Entry("values of an object, in the order of its names", `values(data.nodes)[0].cpu == 99 and keys(data.nodes) == ["a", "b"]`),
		Entry(nil, `any(values(data.nodes), .cpu > 98)`),
		Entry(nil, `count(data.list, # >= 2) == 2 and all(data.list, # > 0) and none(data.list, # > 3) and one(data.list, # == 3)`),
		Entry(nil, `sum(data.list) == 6 and mean(data.list) == 2 and median(data.list) == 2`),
		Entry(nil, `max(data.list) == 3 and min(data.list, 0.5) == 0.5`),
		Entry(nil, `reduce(data.list, #acc * #, 1) == 6`),
		Entry(nil, `find(data.list, # > 1) == 2 and first(data.list) == 1 and last(data.list) == 3`),
		Entry(nil, `data.list[-1] == 3 and data.list[1:] == [2, 3] and data.list[:1] == [1] and data.list[5:1] == []`),
		Entry(nil, `map(data.list, # * 2) | filter(# > 2) | sum() == 10`),
		Entry(nil, `"cpu" in data and not ("gpu" in data) and 2 in data.list and state in ["down", "degraded"]`),
		Entry(nil, `reason matches "^fi.e$" and reason contains "ir" and reason startsWith "f" and reason endsWith "e"`),
		Entry(nil, `upper(reason) == "FIRE" and lower("ÄB") == "äb" and trim(" a ") == "a" and len("äöü") == 3`),
		Entry(nil, `len(data.list) == 3 and len(data.nodes) == 2`),
		Entry("arithmetic of numbers, whole or not", `5 / 2 == 2.5 and 7 % 4 == 3 and 2 ** 3 == 8 and -data.cpu < 0 and data.cpu % 2 == 1.5`),
		Entry(nil, `floor(data.cpu) == 95 and ceil(data.cpu) == 96 and round(data.cpu) == 96 and abs(-2) == 2`),
		Entry(nil, `float(data.text) > 90 and string(data.list[0]) == "1" and "a" + "b" == "ab" and "a" < "b"`),
		Entry("numbers that are too large for others", `data.huge > 1e300 and data.id > 9007199254740000`),
		Entry(nil, `let load = data.cpu; load > 90 ? true : false`),
		Entry(nil, `if data.cpu > 90 { down } else { false }`),
		Entry("times of the value", `now() - time(data.updatedAt) == duration("10m")`),
		Entry("lists and objects by what is in them", `data.list == [1, 2, 3] and data.nodes != data.deep and data.nodes == data.nodes`),
		Entry("another kind is not the same", `data.text != 95 and data.deep.er.ok != "true" and data.nothing != 0`),
	)

	DescribeTable("takes what is missing for nothing where it is asked to", func(expr string) {
		Expect(holds(expr, overRegion())).To(BeTrue())
	},
		Entry(nil, `(data.gpu.load ?? 100) > 90`),
		Entry(nil, `data?.gpu.load == nil`),
		Entry(nil, `data.gpu == nil and data.nothing == nil and data.cpu != nil`),
		Entry(nil, `data.list[7] ?? true`),
		Entry(nil, `(find(data.list, # > 5) ?? 0) == 0`),
	)

	DescribeTable("says what is missing or of another kind", func(expr, sentence string) {
		Expect(cannot(expr, overRegion())).To(Equal(sentence))
	},
		Entry(nil, `down && data.gpu > 90`, `expr:1:14: data has no field "gpu": where it may be missing write ?. or ??`),
		Entry(nil, `data.gpu.load > 90`, `expr:1:6: data has no field "gpu": where it may be missing write ?. or ??`),
		Entry(nil, "down and\n  data.nothing.x > 1", `expr:2:16: data.nothing is nothing (null): it has no such fields`),
		Entry(nil, `data.cpu > "90"`, `expr:1:10: > cannot compare a number with a text`),
		Entry(nil, `data.cpu + "%" == ""`, `expr:1:10: + needs two numbers or two texts, not a number and a text`),
		Entry(nil, `data.cpu - data.text > 1`, `expr:1:10: - needs two numbers, not a number and a text`),
		Entry(nil, `data.cpu / (data.cpu - 95.5) > 1`, `expr:1:10: division by zero`),
		Entry(nil, `data.cpu`, `expr:1:6: a condition must be true or false, not a number`),
		Entry(nil, `status && down`, `expr:1:1: a condition must be true or false, not a text`),
		Entry(nil, `any(data.cpu, # > 1)`, `expr:1:10: any needs a list, not a number`),
		Entry(nil, `data.list[3] == 1`, `expr:1:10: data.list has 3 elements, and none of number 3`),
		Entry(nil, `max(data.nodes) > 1`, `expr:1:1: max needs numbers, not an object`),
		Entry(nil, `max(filter(data.list, # > 5)) > 1`, `expr:1:1: max needs at least one number: the list is empty`),
		Entry(nil, `sum(values(data.nodes)) > 1`, `expr:1:1: only numbers have a sum, not an object`),
		Entry(nil, `time(status) > 1`, `expr:1:1: "fire" is no time: for example 2026-12-01T15:04:05Z is expected, or seconds since 1970`),
		Entry(nil, `data.cpu matches "5"`, `expr:1:10: matches needs a text, not a number`),
	)

	It("cannot look at a value that never came, and need not", func() {
		empty := overRegion(func(f *Facts) { *f.Region = Region{API: "acme", Region: "eu-west", State: store.StateDown} })
		Expect(cannot(`data.cpu > 90`, empty)).To(Equal("expr:1:1: no value of eu-west has come yet"))
		Expect(cannot(`status != "ok"`, empty)).To(ContainSubstring("no value of eu-west has come yet"))
		Expect(cannot(`unchanged > 60`, empty)).To(ContainSubstring("no value of eu-west has come yet"))
		Expect(holds(`down || data.cpu > 90`, empty)).To(BeTrue())
		Expect(holds(`(data?.cpu ?? 0) > 90 || (status ?? "ok") != "ok"`, empty)).To(BeFalse())
		Expect(holds(`age > duration("90d")`, empty)).To(BeTrue(), "it is older than anything")
	})

	It("may be written over several lines, with comments", func() {
		Expect(holds("down // since when?\n  && /* three */ failures > 2", overRegion())).To(BeTrue())
	})

	It("says so where there is no region", func() {
		Expect(cannot(`data.cpu > 90`, overAll())).To(Equal("expr:1:1: there is no region"))
		Expect(cannot(`down`, overAll())).To(HaveSuffix("a condition must be true or false, not a list"))
		summary, _ := compiled(`down`, func(r *Rule) { r.Summary = `{{.region}} {{.why}} {{value "cpu"}}` }).Describe(overAll())
		Expect(summary).NotTo(BeEmpty())
	})

	It("is never asked of a time before the value came", func() {
		Expect(holds(`age == 0 and unchanged == 0`, overRegion(func(f *Facts) { f.Now = at.Add(-24 * time.Hour) }))).To(BeTrue())
	})

	DescribeTable("cannot look at a value that is none", func(data, sentence string) {
		Expect(cannot(`data.cpu > 90`, overRegion(func(f *Facts) { f.Region.Data = json.RawMessage(data) }))).To(HaveSuffix(sentence))
	},
		Entry(nil, `{"cpu":`, "the value is not JSON"),
		Entry(nil, `{"cpu":91} {"cpu":92}`, "the value is not JSON: something follows it"),
		Entry(nil, `[91]`, "data is a list: its elements have numbers, not a text"),
		Entry(nil, `91`, "data is a number: it has no such fields"),
	)

	It("uses a value that was decoded before, from several goroutines", func() {
		region := sick()
		region.Value, region.Data = NewValue(region.Data), nil
		rule := compiled(`data.cpu > 90`)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				defer GinkgoRecover()
				Expect(rule.Holds(Facts{Now: at, API: "acme", Region: &region})).To(BeTrue())
			})
		}
		all.Wait()
	})
})

var _ = Describe("a rule over all regions", func() {
	DescribeTable("holds", func(expr string) {
		Expect(holds(expr, overAll())).To(BeTrue())
		Expect(compiled(expr).Over()).To(Equal(OverAll))
	},
		Entry(nil, `count(down) == 1`),
		Entry(nil, `count(down) >= 1 and count(up) == 1 and any(unknown, #) and !all(stale, #) and count(degraded) == 0`),
		Entry("lists in the order of the regions", `down == [true, false, false]`),
		Entry(nil, `count(down) / len(regions) > 0.3`),
		Entry(nil, `any(regions, .name == "us-east" and .up and .data.cpu == 20 and .status == "ok" and .api == "acme")`),
		Entry(nil, `max(map(filter(regions, .data != nil), .data.cpu)) == 95.5`),
		Entry(nil, `count(regions, (.data?.cpu ?? 0) > 90) == 1`),
		Entry(nil, `regions[0].failures == 3 and regions[0].latency == 1500 and regions[0].reason == "fire"`),
		Entry(nil, `len(regions) == 3 and not offline and api == "acme" and regions[0] != regions[1]`),
	)

	It("can be wanted where both are possible", func() {
		rule := compiled(`offline`, func(r *Rule) { r.Over = OverAll })
		Expect(rule.Over()).To(Equal(OverAll))
		Expect(rule.Holds(overAll(func(f *Facts) { f.Offline = true }))).To(BeTrue())
		Expect(compiled(`offline`).Over()).To(Equal(OverRegion))
	})

	It("looks only at the regions that it is meant for", func() {
		rule := compiled(`all(down, #)`, func(r *Rule) { r.Regions = []string{"eu-west"} })
		Expect(rule.Holds(overAll())).To(BeTrue())
		Expect(compiled(`uptime_1h < 91`, func(r *Rule) { r.Over, r.Regions = OverAll, []string{"eu-west", "us-east", "sa-east"} }).
			Holds(overAll(watched(map[string]float64{"eu-west": 80, "us-east": 100})))).To(BeTrue(), "the mean of those that are known")
	})

	It("says which region has no value", func() {
		Expect(cannot(`any(regions, .data.cpu > 99)`, overAll())).To(Equal("expr:1:15: no value of sa-east has come yet"))
	})
})

var _ = Describe("uptime in a rule", func() {
	known := watched(map[string]float64{"eu-west": 99.5, "": 99.8})

	It("is that of the region, or the mean of all", func() {
		Expect(holds(`uptime_30d == 99.5 and uptime("6h") == 99.5`, overRegion(known))).To(BeTrue())
		Expect(holds(`uptime_30d == 99.8 and len(regions) == 3`, overAll(known))).To(BeTrue())
		Expect(holds(`any(regions, .name == "eu-west" and .uptime_30d < 99.6)`, overAll(known))).To(BeTrue())
	})

	It("burns what is allowed to fail", func() {
		Expect(holds(`burn_rate("1h", 99.9) > 4.99 and burn_rate("1h", 99.9) < 5.01`, overRegion(known))).To(BeTrue())
		Expect(holds(`burn_rate("1h", 0) == 0.005`, overRegion(known))).To(BeTrue())
	})

	DescribeTable("that is not known lets no rule hold", func(expr string) {
		Expect(holds(expr, overRegion())).To(BeFalse())
		Expect(holds(expr, overRegion(watched(nil)))).To(BeFalse())
		Expect(holds(expr, overRegion(watched(map[string]float64{"eu-west": math.NaN()})))).To(BeFalse())
	},
		Entry(nil, `uptime_30d < 101`),
		Entry(nil, `not (uptime_30d < 50)`),
		Entry(nil, `burn_rate("1h", 99) >= 0 or down`),
	)

	It("need not be known where something before it decides", func() {
		Expect(holds(`down or uptime_30d < 99`, overRegion())).To(BeTrue())
	})

	It("has windows that are known beforehand", func() {
		rule := compiled(`burn_rate("1h", 99.9) > 14.4 and burn_rate("5m", 99.9) > 14.4 or uptime("2w") < 99 or uptime("1h") < 5`,
			func(r *Rule) { r.Summary = "{{percent .uptime_30d}}" })
		Expect(rule.Windows()).To(Equal([]time.Duration{5 * time.Minute, time.Hour, 14 * 24 * time.Hour, 30 * 24 * time.Hour}))
		Expect(compiled(`uptime_90d < 99 and down`).Windows()).To(Equal([]time.Duration{90 * 24 * time.Hour}))
		Expect(compiled(`count(regions, .uptime_7d < 99) > 1`).Windows()).To(Equal([]time.Duration{7 * 24 * time.Hour}))
	})
})
