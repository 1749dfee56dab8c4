package client

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("the delay before the next attempt", func(o Options, failed int, chance float64, want time.Duration) {
	Expect(o.withDefaults().delay(failed, chance)).To(Equal(want))
},
	Entry("begins at a second", Options{}, 1, 0.5, time.Second),
	Entry("doubles", Options{}, 2, 0.5, 2*time.Second),
	Entry("is bounded", Options{}, 4, 0.5, 5*time.Second),
	Entry("is bounded after very many attempts", Options{ReconnectDelayMax: time.Hour}, 1<<40, 0.5, time.Hour),
	Entry("is shorter by chance", Options{}, 1, 0.0, 500*time.Millisecond),
	Entry("is longer by chance", Options{}, 1, 1.0, 1500*time.Millisecond),
	Entry("is never longer than its bound", Options{}, 3, 1.0, 5*time.Second),
	Entry("has no chance in it", Options{ReconnectJitter: -1}, 1, 0.0, time.Second),
)
