package socket

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = It("logs the reason of failed questions once a minute, and how many failed", func() {
	var f failures
	now := time.Now()
	said, unsaid := 0, 0
	fail := func(reason string) {
		if n, news := f.isNews(reason, now); news {
			said, unsaid = said+1, unsaid+n
		}
	}
	for range 1000 {
		fail("damaged")
		fail("no memory")
	}
	Expect([]int{said, unsaid}).To(Equal([]int{2, 0}))
	now = now.Add(time.Minute)
	fail("damaged")
	Expect([]int{said, unsaid}).To(Equal([]int{3, 1998}))
	for i := range 1000 {
		fail(fmt.Sprint("reason ", i))
	}
	Expect(said).To(Equal(2+failureKinds), "whatever is in the reasons")
})
