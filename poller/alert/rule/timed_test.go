package rule

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("the time alone", func(expr string, timed bool) {
	c, err := Compile(Rule{Name: "r", Expr: expr})
	Expect(err).NotTo(HaveOccurred())
	Expect(c.Timed()).To(Equal(timed))
},
	Entry("changes no state", "down && !stale && !offline", false),
	Entry("changes no value", `data.pages > 3 && status != "ok"`, false),
	Entry("changes an age", "age > 60", true),
	Entry("changes an age of one of all", "any(regions, .age > 60)", true),
	Entry("changes how long a value has not changed", "unchanged>60", true),
	Entry("changes an uptime", "uptime_30d < 99.9", true),
	Entry("changes an uptime of any window", `uptime("6h") < 99`, true),
	Entry("changes a burn rate", `burn_rate("1h", 99.9) > 14`, true),
)
